import { ProxyError } from '../errors.js'
import { readCookie } from './cookie.js'
import { readParameter } from './query.js'
import type { Exchange } from './types.js'

/** Characters of a template, and of what comes of it: more than any service takes as one header. */
const MAX_TEXT = 2_048
const MAX_RESULT = 16_384
/** Variables in one template. */
const MAX_VARIABLES = 32
/** The last segment that `{segment.N}` may name. */
const MAX_SEGMENT = 64

/**
 * Where the text goes. `path`: a path that a service is asked for. `uri`: a reference that a client is sent to. In both
 * each value is percent-encoded, and one that is missing, empty or would make a `.` or `..` segment is 400 BAD_REQUEST; in
 * a `path` so is one with a slash, which some services would decode. `header`: a field's value, in which a missing value
 * leaves nothing and what no field may hold is percent-encoded.
 */
export type TemplateKind = 'path' | 'uri' | 'header'

/** @throws ProxyError BAD_REQUEST where the request lacks a value or has one that may not stand there, or 16 KiB is passed */
export type Template = (exchange: Exchange) => string

type Read = (exchange: Exchange) => string | undefined

interface Variable {
  readonly read: Read
  /** Came through the core's own checks: stands in a path or reference as it is, and makes no `..` there. */
  readonly safe: boolean
  /** Stands in a field already: each character is one byte. */
  readonly bytes?: boolean
}

const PLAIN: Readonly<Record<string, Variable>> = {
  path: { read: ({ request }) => request.path, safe: true },
  query: { read: ({ request }) => request.query, safe: true },
  host: { read: ({ request }) => request.host, safe: true },
  scheme: { read: ({ request }) => request.scheme, safe: true },
  method: { read: ({ request }) => request.method, safe: false },
  id: { read: ({ id }) => id, safe: false },
  route: { read: ({ route }) => route.name, safe: false },
  'client.address': { read: ({ client }) => client.address, safe: false },
  'client.identity': { read: ({ client }) => client.identity, safe: false }
}

const KNOWN = `${Object.keys(PLAIN)
  .map((name) => `{${name}}`)
  .join(', ')}, {query.NAME}, {header.NAME}, {cookie.NAME} or {segment.N}`

/**
 * Text with variables, as `/tenants/{header.x-tenant}{path}`; worked out once, at load. `{{` and `}}` are braces that
 * stand for themselves. Variables: `{path}`, `{query}` (with its `?`), `{host}` (as the client asked, without its port),
 * `{scheme}`, `{method}`, `{id}`, `{route}`, `{client.address}`, `{client.identity}`, `{query.NAME}`, `{header.NAME}`,
 * `{cookie.NAME}` and `{segment.N}` (of the path, from 1). Their values are those of when it is called.
 *
 * @throws TypeError on an unknown variable, a brace without its other half, more than 32 variables or 2,048 characters
 */
export function compileTemplate(text: string, kind: TemplateKind): Template {
  if (text.length > MAX_TEXT) throw new TypeError(`expected up to ${MAX_TEXT} characters, not ${text.length}`)
  const { literals, variables } = parse(text, kind)
  const [first = ''] = literals
  if (variables.length === 0) return () => first
  const reads = variables.map((variable) => reader(variable, kind))
  const checked = kind !== 'header' && variables.some(({ safe }) => !safe)
  return (exchange) => {
    let result = first
    for (let i = 0; i < reads.length; i++) {
      result += (reads[i] as Template)(exchange)
      result += literals[i + 1]
    }
    if (result.length > MAX_RESULT) throw refused('what the request asks for is too long')
    if (checked && DOT_SEGMENT.test(result)) throw refused('a value of the request cannot stand in a path')
    return result
  }
}

/** `.` or `..`, which would climb. */
const DOT_SEGMENT = /(?:^|\/)(?:\.|%2e){1,2}(?:[/?#]|$)/i

function refused(message: string): ProxyError {
  return new ProxyError('BAD_REQUEST', message)
}

interface Parsed {
  /** One more than there are variables: before, between and behind them. */
  literals: string[]
  variables: Variable[]
}

const PART = /\{\{|\}\}|\{([^{}]*)\}|[{}]/g

function parse(text: string, kind: TemplateKind): Parsed {
  const literals = ['']
  const variables: Variable[] = []
  let from = 0
  const add = (literal: string) => {
    literals[literals.length - 1] += literal
  }
  for (const match of text.matchAll(PART)) {
    const [whole, name] = match
    add(text.slice(from, match.index))
    from = match.index + whole.length
    if (name !== undefined) {
      if (kind !== 'header' && name === 'path' && literals.at(-1)?.endsWith('/') && variables.length === 0)
        // In a reference `//host` names another host.
        throw new TypeError(
          `expected no slash before {path}, which begins with one, not ${JSON.stringify(text)}`
        )
      variables.push(variableOf(name, kind))
      literals.push('')
    } else if (whole === '{{' || whole === '}}') {
      add(whole[0] as string)
    } else {
      throw new TypeError(`expected braces in pairs, {{ for one that is meant, not ${JSON.stringify(text)}`)
    }
  }
  add(text.slice(from))
  if (variables.length > MAX_VARIABLES)
    throw new TypeError(`expected up to ${MAX_VARIABLES} variables, not ${variables.length}`)
  return { literals, variables }
}

/** RFC 9110 token. */
const TOKEN = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/

function variableOf(name: string, kind: TemplateKind): Variable {
  const plain = Object.hasOwn(PLAIN, name) ? PLAIN[name] : undefined
  if (plain !== undefined && !(name === 'query' && kind === 'path')) return plain
  const dot = name.indexOf('.')
  const rest = name.slice(dot + 1)
  switch (dot === -1 || rest === '' ? '' : name.slice(0, dot)) {
    case 'query':
      return { read: ({ request }) => readParameter(request.query, rest), safe: false }
    case 'header':
      if (!TOKEN.test(rest)) break
      return { read: ({ request }) => request.headers.get(rest), safe: false, bytes: true }
    case 'cookie':
      if (!TOKEN.test(rest)) break
      return { read: ({ request }) => readCookie(request.headers, rest), safe: false, bytes: true }
    case 'segment': {
      const number = /^[1-9]\d?$/.test(rest) ? Number(rest) : 0
      if (number < 1 || number > MAX_SEGMENT)
        throw new TypeError(`expected {segment.1} to {segment.${MAX_SEGMENT}}, not {${name}}`)
      return { read: ({ request }) => segmentOf(request.path, number), safe: true }
    }
  }
  throw new TypeError(`expected ${KNOWN}, not {${name}}`)
}

/** @param number from 1 */
function segmentOf(path: string, number: number): string | undefined {
  let start = 0
  for (let i = 0; i < number; i++) {
    start = path.indexOf('/', start) + 1
    if (start === 0) return undefined
  }
  const end = path.indexOf('/', start)
  return end === -1 ? path.slice(start) : path.slice(start, end)
}

function reader({ read, safe, bytes = false }: Variable, kind: TemplateKind): Template {
  if (kind === 'header') {
    if (bytes) return (exchange) => read(exchange) ?? ''
    return (exchange) => visible(read(exchange) ?? '')
  }
  if (read === PLAIN.query?.read) return (exchange) => exchange.request.query
  return (exchange) => {
    const value = read(exchange)
    if (value === undefined || value === '') throw refused('the request lacks a value that is asked of it')
    if (safe) return value
    if (kind === 'path' && /[/\\]/.test(value)) throw refused('a value of the request cannot stand in a path')
    return encodeURIComponent(bytes && HIDDEN.test(value) ? Buffer.from(value, 'latin1').toString() : value)
  }
}

/** A query's value may decode to anything, line ends too. Past ASCII a field's bytes mean what each reader takes them for. */
function visible(value: string): string {
  return HIDDEN.test(value) ? value.replace(HIDDEN_ALL, encodeURIComponent) : value
}

const HIDDEN = /[^\x20-\x7e]/
const HIDDEN_ALL = /[^\x20-\x7e]/gu
