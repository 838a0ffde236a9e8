import type { SeenRequest } from '../support/raw-upstream.js'

/** Something a client or an upstream does: bytes as latin1, or one of these. */
export type Step =
  | string
  /** Until what the other side has sent so far matches. */
  | { readonly until: RegExp }
  /** Until the upstream has read the heads of this many requests (a client's step). */
  | { readonly heads: number }
  /** Until the proxy has closed its connection. */
  | { readonly closed: true }
  /** ms. For what is slow on purpose, never to wait for something. */
  | { readonly pause: number }
  | { readonly end: true }
  | { readonly reset: true }
  /** The client reads nothing for so many ms. */
  | { readonly deaf: number }
  /** An upstream's step: 200, with the target as its body. */
  | { readonly echo: true }
  /** An upstream's step: 200 and so many bytes. */
  | { readonly large: number }
  /** An upstream's step: these bytes for that target. */
  | { readonly byTarget: Readonly<Record<string, string>> }

/** What happened, as both ends saw it. */
export interface Observation {
  /** Statuses in order, interim ones too. */
  readonly statuses: readonly number[]
  /** All that the client was sent, as latin1. */
  readonly text: string
  /** Bodies of the final answers, in order. */
  readonly bodies: readonly string[]
  /** Field lines of the last answer. */
  readonly fields: readonly string[]
  readonly trailers: readonly string[]
  /** Whether the last answer had an end, and not only a stop. */
  readonly complete: boolean
  /** `open`: a further request on the connection was answered. */
  readonly end: 'open' | 'closed' | 'silent'
  /** The client's connection was reset, and did not just end. */
  readonly reset: boolean
  /** Whole requests that reached the upstream. */
  readonly upstream: readonly SeenRequest[]
  /** Heads of requests that never came to their end there. */
  readonly unfinished: readonly SeenRequest[]
  /** What the upstream could not read at all. */
  readonly violations: readonly string[]
  /** Connections that the upstream saw for it. */
  readonly connections: number
  /** What another client was answered, right behind it; undefined when that was as it should be. */
  readonly bystander: string | undefined
}

/** Part of the proxy's configuration: which listener the bytes go to. */
export type Setup =
  /** `/admin` and below ask for a key, `/local` is answered by the proxy, the rest goes upstream. */
  | 'main'
  /** The same with `encodedSlashes: keep`. */
  | 'keep'
  /** The client's address is in `trustedProxies`. */
  | 'trusted'
  /** A plugin takes `x-user` away and sets it to alice, on responses `x-back` to plugin. */
  | 'identity'
  /** A plugin sets what no message may hold. */
  | 'meddle'
  /** Headers, bodies and idle connections are waited for 400 ms. */
  | 'impatient'

export interface Expectation {
  /** Each status in order; a list for one of several. Empty: no answer at all. Not given: `also` looks at them. */
  readonly statuses?: readonly (number | readonly number[])[]
  readonly end?: Observation['end']
  /** `METHOD target` of each whole request. `nothing`: none. Not given: any. */
  readonly upstream?: 'nothing' | readonly string[]
  /** Of the first request upstream: value by name in lower case; undefined: not there. */
  readonly fields?: Readonly<Record<string, string | undefined>>
  /** Bodies of the requests upstream, as latin1. */
  readonly uploads?: readonly string[]
  /** Bodies of the final answers. */
  readonly bodies?: readonly string[]
  /** What the client's bytes hold, and do not. */
  readonly holds?: readonly RegExp[]
  readonly lacks?: readonly RegExp[]
  /** Whether the last answer comes to its end. True unless said. */
  readonly complete?: boolean
  /** Anything else. @returns what is wrong */
  readonly also?: (seen: Observation) => string | undefined
}

/** The same over HTTP/2: what is sent there and what comes of it. */
export interface Http2Case {
  readonly fields: readonly (readonly [name: string, value: string])[]
  readonly body?: string
  readonly expect: {
    readonly status: number | 'reset'
    readonly upstream: 'nothing' | readonly string[]
  }
}

export interface WireCase {
  /** `group/name`, unique. */
  readonly id: string
  /** One line for the table. */
  readonly says: string
  readonly setup?: Setup
  readonly send: readonly Step[]
  /** Of the requests sent, to know which answers have no body. GET where not given. */
  readonly methods?: readonly string[]
  /** What the upstream does for each request; 200 with `ok` when not given. */
  readonly upstream?: readonly Step[]
  /** The proxy has no connection to the upstream yet. It has one otherwise, so that nothing is late in coming. */
  readonly cold?: true
  /** When it begins: on a request's end, or on its head. Default request. */
  readonly on?: 'request' | 'head'
  readonly expect: Expectation
  /** Fields of the upstream's request that the table shows. */
  readonly shows?: readonly string[]
  /** A note on ours for the table: why it is so. */
  readonly note?: string
  /** A string is why HTTP/2 cannot say it. Undefined: nothing is known to differ. */
  readonly h2?: Http2Case | string
  /** nginx and HAProxy have nothing to compare: the case is about plugins. */
  readonly ours?: true
}

/** A line of the list that a test of its own shows. */
export interface ProvenCase {
  readonly id: string
  readonly says: string
  /** From the repository's root. */
  readonly file: string
  /** The test's name, or how it begins. */
  readonly test: string
}

/** Ends a connection that is broken with a request of its own: what reads on too far sends it upstream. */
export const SMUGGLED = 'GET /smuggled HTTP/1.1\r\nhost: a\r\n\r\n'

export function get(target: string, ...fields: string[]): string {
  return request('GET', target, fields)
}

export function post(fields: readonly string[], body = '', target = '/x'): string {
  return request('POST', target, fields) + body
}

export function request(method: string, target: string, fields: readonly string[]): string {
  return `${[`${method} ${target} HTTP/1.1`, 'host: a', ...fields].join('\r\n')}\r\n\r\n`
}

/** A case that is 400, the end of its connection, and nothing upstream. */
export function refused(
  id: string,
  says: string,
  bytes: string,
  more: Partial<WireCase> & { status?: number } = {}
): WireCase {
  const { status = 400, ...rest } = more
  return {
    id,
    says,
    send: [bytes],
    expect: { statuses: [status], end: 'closed', upstream: 'nothing' },
    ...rest
  }
}
