import { type Attempt, type Exchange, key, type Result } from '../../core/index.js'

const identity = key<string>('identity')

/** What a line can say, each with how it is found when an exchange has ended. */
export interface TextField {
  readonly type: 'text'
  read(result: Result, exchange: Exchange): string | undefined
}
export interface NumberField {
  readonly type: 'number'
  /** NaN: no value. */
  read(result: Result, exchange: Exchange, now: number): number
}
export type Field = TextField | NumberField

const text = (read: TextField['read']): TextField => ({ type: 'text', read })
const number = (read: NumberField['read']): NumberField => ({ type: 'number', read })

const FIELDS = {
  time: number((_result, _exchange, now) => now),
  requestId: text((_result, exchange) => exchange.id),
  listener: text((_result, exchange) => exchange.listener),
  client: text((_result, exchange) => exchange.client.address),
  identity: text((_result, exchange) => exchange.get(identity)),
  method: text((_result, exchange) => exchange.request.method),
  scheme: text((_result, exchange) => exchange.request.scheme),
  host: text((_result, exchange) => exchange.request.host),
  path: text((_result, exchange) => exchange.request.path),
  query: text((_result, exchange) => exchange.request.query),
  httpVersion: text((_result, exchange) => exchange.request.httpVersion),
  status: number((result) => result.status),
  code: text((result) => result.code),
  grpcStatus: number((result) => result.grpcStatus ?? Number.NaN),
  error: text((result) => result.error?.message),
  duration: number((result) => result.duration),
  bytesIn: number((result) => result.bytesIn),
  bytesOut: number((result) => result.bytesOut),
  route: text((_result, exchange) => exchange.route.name),
  service: text((result, exchange) => result.endpoint?.service ?? exchange.service),
  endpoint: text((result) => result.endpoint?.url),
  attempts: number((_result, exchange) => exchange.attempts.length),
  upstreamLatency: number((_result, exchange) => lastAttempt(exchange)?.latency ?? Number.NaN),
  userAgent: text((_result, exchange) => exchange.request.headers.get('user-agent'))
} satisfies Record<string, Field>

function lastAttempt(exchange: Exchange): Attempt | undefined {
  return exchange.attempts[exchange.attempts.length - 1]
}

export const FIELD_NAMES = Object.keys(FIELDS) as [keyof typeof FIELDS, ...(keyof typeof FIELDS)[]]

export const DEFAULT_FIELDS: readonly (keyof typeof FIELDS)[] = [
  'time',
  'requestId',
  'listener',
  'client',
  'identity',
  'method',
  'host',
  'path',
  'status',
  'code',
  'grpcStatus',
  'duration',
  'bytesIn',
  'bytesOut',
  'route',
  'service',
  'endpoint',
  'attempts',
  'userAgent'
]

export const HEADER_FIELD = /^header:[!#$%&'*+.^_`|~0-9A-Za-z-]+$/

// Wider than the standard's names: what a header is for can be read from the words of its name.
const SECRET_HEADER =
  /^(x-)?key$|(^|[-_])(auth|authorization|authentication|cookie2?|tokens?|secrets?|password|passwd|(api|access|private)-?key|credentials?|session|signature|jwt|csrf|xsrf)([-_]|$)/i

/** Whether a field would put a credential into the log: `header:authorization`, `header:cookie`, `header:x-api-key`. */
export function isSecretHeader(field: string): boolean {
  return HEADER_FIELD.test(field) && SECRET_HEADER.test(field.slice('header:'.length))
}

/** @param name of `FIELD_NAMES`, or `header:NAME` */
function fieldOf(name: string): Field {
  if (Object.hasOwn(FIELDS, name)) return FIELDS[name as keyof typeof FIELDS]
  const header = name.slice('header:'.length).toLowerCase()
  return text((_result, exchange) => exchange.request.headers.get(header))
}

export interface Column {
  readonly name: string
  readonly field: Field
}

/** In the order of a line. */
export function select(names: readonly string[]): Column[] {
  return [...new Set(names)].map((name) => ({ name, field: fieldOf(name) }))
}
