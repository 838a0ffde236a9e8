import { RE2JS } from 're2js'
import { compileTemplate, type Exchange, ProxyError } from '../../core/index.js'
import type { PathConfig } from './config.js'
import { Replacement } from './expression.js'

/** What a path becomes. */
type Rewrite = (exchange: Exchange) => string

/** @throws TypeError on an expression that cannot be used */
export function pathRewrite(config: PathConfig): Rewrite {
  if (typeof config === 'string') return compileTemplate(config, 'path')
  if ('regex' in config) {
    const replacement = new Replacement(RE2JS, config.regex, config.with)
    return ({ request }) => replacement.apply(request.path)
  }
  const prefix = withoutSlash(config.prefix)
  const instead = withoutSlash(config.with)
  return ({ request }) => {
    const { path } = request
    if (!path.startsWith(prefix)) return path
    const rest = path.slice(prefix.length)
    if (rest !== '' && !rest.startsWith('/')) return path
    return instead + rest || '/'
  }
}

function withoutSlash(path: string): string {
  return path.endsWith('/') ? path.slice(0, -1) : path
}

/** `.` or `..`, escaped or not: where pieces of a path are put together, none may come about that was not there. */
const DOT_SEGMENT = /(?:^|\/)(?:\.|%2e){1,2}(?:\/|$)/i

/** @throws ProxyError BAD_REQUEST where it is no path, or one that climbs */
export function setPath({ request }: Exchange, path: string): void {
  if (path === request.path) return
  if (DOT_SEGMENT.test(path)) throw unusable()
  try {
    request.path = path
  } catch {
    throw unusable()
  }
}

function unusable(): ProxyError {
  return new ProxyError('BAD_REQUEST', 'the path cannot be rewritten')
}
