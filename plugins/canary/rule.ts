import { type Exchange, readCookie, readParameter } from '../../core/index.js'
import type { CanaryConfig } from './config.js'

/** Whether a request asks for the canary: by any of its marks, and by its method. Chance is not counted in. */
export function ruleOf(config: CanaryConfig): (exchange: Exchange) => boolean {
  const { header, cookie, query, value } = config
  const methods = config.methods === undefined ? undefined : new Set(config.methods)
  const marked = header !== undefined || cookie !== undefined || query !== undefined
  const has = (found: string | undefined) => found !== undefined && (value === undefined || found === value)
  return ({ request }) => {
    if (methods !== undefined && !methods.has(request.method)) return false
    return (
      !marked ||
      (header !== undefined && has(request.headers.get(header))) ||
      (cookie !== undefined && has(readCookie(request.headers, cookie))) ||
      (query !== undefined && has(readParameter(request.query, query)))
    )
  }
}
