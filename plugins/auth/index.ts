import { definePlugin, type Exchange, key, type PluginHooks } from '../../core/index.js'
import { apiKeyWay } from './api-key.js'
import { config } from './config.js'
import { mtlsWay } from './mtls.js'
import { allOf, anyOf, type Claims, type PromptWay, type Verdict, type Way } from './way.js'

const identity = key<string>('identity')
const claims = key<Claims>('claims')

export default definePlugin({
  name: 'auth',
  version: '0.2.0',
  description: 'lets through who holds a key, a token or a certificate, and says who it is',
  config,
  places: ['top', 'route'],
  provides: [identity, claims],
  setup({ config, clock, log, directory, onClose }) {
    const { apiKeys, header, jwt, mtls } = config
    const prompt: PromptWay[] = []
    if (apiKeys !== undefined) prompt.push(apiKeyWay(apiKeys, header))
    if (mtls !== undefined) prompt.push(mtlsWay(mtls))
    if (jwt === undefined) return hooksOf(undefined, prompt, config.require, [])
    return (async () => {
      // Only who uses tokens pays for loading what they need.
      const { jwtWay } = await import('./jwt.js')
      const tokens = await jwtWay(jwt, { clock, log, directory, onClose })
      return hooksOf(tokens, prompt, config.require, Object.keys(jwt.claimHeaders))
    })()
  }
})

/** @param ours headers that only a token's claims may be in */
function hooksOf(
  tokens: Way | undefined,
  prompt: readonly PromptWay[],
  require: 'any' | 'all',
  ours: readonly string[]
): PluginHooks {
  // What says most of who it is comes first, and in `all` last: it also costs most.
  const ways = tokens === undefined ? prompt : [tokens, ...prompt]
  const [first, ...others] = ways as [Way, ...PromptWay[]]
  const decide = require === 'all' && others.length > 0 ? allOf(others.reverse(), first) : anyOf(ways)
  return {
    request(exchange) {
      for (const name of ours) exchange.request.headers.delete(name)
      const verdict = decide(exchange)
      if (verdict instanceof Promise) return verdict.then((found) => admit(found, exchange))
      admit(verdict, exchange)
    }
  }
}

function admit(verdict: Verdict, exchange: Exchange): void {
  exchange.set(identity, verdict.identity)
  if (verdict.claims !== undefined) exchange.set(claims, verdict.claims)
  if (verdict.headers === undefined) return
  for (const [name, value] of verdict.headers) exchange.request.headers.set(name, value)
}
