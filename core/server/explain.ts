import { Fields } from '../exchange/fields.js'
import { normalisePath } from '../exchange/path.js'
import { hostOf } from '../exchange/request.js'
import type { Generation, RoutePipeline } from '../pipeline/generation.js'
import type { PathPattern } from '../route/condition.js'
import type { Explanation } from './types.js'
import { hooksOf } from './views.js'

export interface ExplainOptions {
  headers?: Record<string, string>
  /** Default: the first that has a route for the request. */
  listener?: string
}

/**
 * Which route a request would take, and why.
 *
 * @throws RangeError on a listener that is not configured, TypeError on a URL that would be 400
 */
export function explain(
  generation: Generation,
  method: string,
  url: string,
  options: ExplainOptions
): Explanation {
  const { listener } = options
  if (listener !== undefined && !generation.matchers.has(listener))
    throw new RangeError(`there is no listener ${JSON.stringify(listener)}`)
  const headers = new Fields(Object.entries(options.headers ?? {}).flat())
  const absolute = /^https?:\/\/([^/?#]*)(.*)$/i.exec(url)
  const authority = absolute?.[1] ?? headers.get('host') ?? ''
  const rest = absolute === null ? url : (absolute[2] as string)
  const host = authority === '' ? '' : hostOf(authority)
  if (host === undefined)
    throw new TypeError(`${JSON.stringify(authority)} is not a host: the request would get 400`)
  const normal = normalisePath(rest.startsWith('/') ? rest : `/${rest}`)
  if (normal === undefined)
    throw new TypeError(`the path of ${JSON.stringify(url)} cannot be used: the request would get 400`)
  const { path, query } = normal
  const subject = { method: method.toUpperCase(), host, path, query, headers }
  const request = { method: subject.method, host, path, query }
  const matchers =
    listener === undefined ? [...generation.matchers.values()] : [generation.matchers.get(listener)]
  // On any of them it may come in: the first that has a route for it is meant.
  const matcher = matchers.find((each) => each?.match(subject) !== undefined) ?? matchers[0]
  if (matcher === undefined) throw new RangeError('there is no listener')
  const won = matcher.match(subject)
  if (normal.encodedSlash && won?.config.encodedSlashes !== 'keep') {
    throw new TypeError(
      `the path of ${JSON.stringify(url)} holds an encoded slash: the request would get 400`
    )
  }
  const near = matcher.near(subject)
  const others = near
    .filter(({ target }) => target !== won)
    .slice(0, 10)
    .map(({ target, failing }) => ({
      route: target.config.name,
      why: failing.length > 0 ? `not so: ${failing.join(', ')}` : 'less specific'
    }))
  if (won === undefined) {
    const why =
      near.length === 0
        ? 'no route has this host and path'
        : 'no route with this host and path has all its conditions met'
    return {
      request,
      route: '-',
      service: undefined,
      why: [why],
      others,
      hooks: hooksOf(generation.noRoute, generation)
    }
  }
  const winner = near.find(({ target }) => target === won) as (typeof near)[number]
  const why = [hostWords(winner.host), pathWords(winner.path, path), ...winner.holding]
  const next = near.find(({ target, failing }) => target !== won && failing.length === 0)
  if (next !== undefined) why.push(`before ${next.target.config.name}: ${comparison(winner, next)}`)
  if (path !== rest.split('?', 1)[0]) why.unshift(`the path was normalised to ${path}`)
  return {
    request,
    route: won.config.name,
    service: won.config.service,
    why,
    others,
    hooks: hooksOf(won, generation)
  }
}

interface Near {
  readonly target: RoutePipeline
  readonly host: string | undefined
  readonly path: PathPattern
  readonly holding: readonly string[]
}

function hostWords(host: string | undefined): string {
  return host === undefined ? 'any host' : `host matches ${host}`
}

function pathWords({ text, prefix }: PathPattern, path: string): string {
  return prefix ? `path ${path} begins with ${text}` : `path is ${text}`
}

/** The first thing in which the winner is more specific. */
function comparison(winner: Near, next: Near): string {
  if (winner.host !== next.host)
    return next.host === undefined ? 'its host is named' : 'its host is more specific'
  if (winner.path.prefix !== next.path.prefix) return 'its path is exact'
  if (winner.path.text.length !== next.path.text.length) return 'its prefix is longer'
  if (winner.holding.length !== next.holding.length) return 'it has more conditions'
  return 'it is listed first'
}
