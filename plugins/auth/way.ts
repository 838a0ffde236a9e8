import { type Exchange, ProxyError } from '../../core/index.js'

export type Claims = Readonly<Record<string, unknown>>

/** Who was let in. */
export interface Verdict {
  readonly identity: string
  /** Of a token; frozen, since requests with one token share them. */
  readonly claims?: Claims
  /** Headers for the upstream. */
  readonly headers?: readonly (readonly [name: string, value: string])[]
}

/** One way to say who one is. */
export interface Way<C = unknown> {
  /** RFC 9110 section 11.6.1, for a request without a credential. */
  readonly challenge: string
  /** What is missing then, as a sentence without its full stop. */
  readonly needed: string
  /** The credential, right or wrong; undefined: there is none. Takes it out of the request. Never throws. */
  take(exchange: Exchange): C | undefined
  /** @throws ProxyError for a credential that does not serve */
  verify(credential: C, exchange: Exchange): Verdict | Promise<Verdict>
}

/** One that has its verdict at once. */
export interface PromptWay<C = unknown> extends Way<C> {
  verify(credential: C, exchange: Exchange): Verdict
}

type Decide = (exchange: Exchange) => Verdict | Promise<Verdict>

/** The first way for which there is a credential decides; a wrong one is not made good by another's. */
export function anyOf(ways: readonly Way[]): Decide {
  const [only, another] = ways
  if (only !== undefined && another === undefined) {
    return (exchange) => {
      const credential = only.take(exchange)
      if (credential === undefined) throw unauthenticated(ways, ', or ')
      return only.verify(credential, exchange)
    }
  }
  return (exchange) => {
    let way: Way | undefined
    let credential: unknown
    // Each takes its own, so that what nobody has verified does not reach the upstream.
    for (const each of ways) {
      const taken = each.take(exchange)
      if (way !== undefined || taken === undefined) continue
      way = each
      credential = taken
    }
    if (way === undefined) throw unauthenticated(ways, ', or ')
    return way.verify(credential, exchange)
  }
}

/**
 * Each way has to find its credential, and find it right. The verdict is that of `last`.
 *
 * @param others judged before it, in their order
 */
export function allOf(others: readonly PromptWay[], last: Way): Decide {
  return (exchange) => {
    const taken = others.map((way) => way.take(exchange))
    const lastTaken = last.take(exchange)
    const absent = others.filter((_, at) => taken[at] === undefined)
    if (absent.length > 0 || lastTaken === undefined) {
      throw unauthenticated(lastTaken === undefined ? [...absent, last] : absent, ', and ')
    }
    for (const [at, way] of others.entries()) way.verify(taken[at], exchange)
    return last.verify(lastTaken, exchange)
  }
}

function unauthenticated(ways: readonly Way[], conjunction: ', or ' | ', and '): ProxyError {
  const message = ways.map(({ needed }) => needed).join(conjunction)
  return new ProxyError('UNAUTHENTICATED', message, {
    headers: { 'www-authenticate': ways.map(({ challenge }) => challenge).join(', ') }
  })
}
