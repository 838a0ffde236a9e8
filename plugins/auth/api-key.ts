import { ProxyError } from '../../core/index.js'
import { keyRing } from './api-keys.js'
import type { PromptWay } from './way.js'

/**
 * A key in a header of its own.
 *
 * @param header in lower case
 */
export function apiKeyWay(apiKeys: Readonly<Record<string, string>>, header: string): PromptWay<string> {
  const owner = keyRing(apiKeys)
  return {
    // No scheme is registered for keys; this one is in wide use.
    challenge: `ApiKey header="${header}"`,
    needed: `a key is needed in the header ${header}`,
    take({ request: { headers } }) {
      const key = headers.get(header)
      // Before the verdict, so that a log line of a refused request does not hold it either.
      headers.delete(header)
      return key === '' ? undefined : key
    },
    verify(key) {
      const identity = owner(key)
      if (identity === undefined)
        throw new ProxyError('FORBIDDEN', `the key in the header ${header} is not known`)
      return { identity }
    }
  }
}
