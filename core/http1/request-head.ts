import { isNamed, LENGTH, readFieldLines } from './fields.js'

/** What a request in the strict grammar begins with. */
export interface RequestStart {
  readonly method: string
  /** In origin form. */
  readonly target: string
  /** Flat, as sent. */
  readonly fields: string[]
  /** Bytes of body; there are no other bodies here. */
  readonly length: number
  /** The client wants the connection to end with the answer. */
  readonly close: boolean
}

/** The methods whose semantics are plain, each mapped to the one string that the rest of the proxy compares with. */
const METHODS: ReadonlyMap<string, string> = new Map(
  ['GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'PATCH', 'OPTIONS'].map((method) => [method, method])
)
const LONGEST_METHOD = 7

/**
 * What a path with its query may hold (RFC 3986): by character code, 1 for yes. No fragment, and none of the characters
 * that a URI has to escape and that some readers let pass.
 */
const TARGET = new Uint8Array(256)
for (const character of "-._~:/?[]@!$&'()*+,;=%0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz")
  TARGET[character.charCodeAt(0)] = 1

const SP = 0x20
const SLASH = 0x2f
const VERSION = 'HTTP/1.1\r\n'

/**
 * Reads the head of a request that any two readers take for the same. Undefined is no verdict on the request: HTTP/1.0,
 * a target in another form, chunked bodies, upgrades, expectations, repeated framing fields and whatever is malformed are
 * for the standard path to judge.
 *
 * @param text latin1, up to and with the empty line
 */
export function readRequestHead(text: string): RequestStart | undefined {
  const space = text.indexOf(' ')
  if (space > LONGEST_METHOD) return undefined
  const method = METHODS.get(text.slice(0, space))
  if (method === undefined || text.charCodeAt(space + 1) !== SLASH) return undefined
  let at = space + 2
  while (TARGET[text.charCodeAt(at)] === 1) at++
  if (text.charCodeAt(at) !== SP || !text.startsWith(VERSION, at + 1)) return undefined
  const target = text.slice(space + 1, at)
  const fields: string[] = []
  if (!readFieldLines(text, at + 1 + VERSION.length, fields)) return undefined
  return framed(method, target, fields)
}

/** Looks at the fields that say where the request ends and what the connection is for. */
function framed(method: string, target: string, fields: string[]): RequestStart | undefined {
  let hosts = 0
  let length = -1
  let close = false
  for (let i = 0; i < fields.length; i += 2) {
    const name = fields[i] as string
    switch (name.length) {
      case 4:
        if (isNamed(name, 'host') && ++hosts > 1) return undefined
        break
      case 6:
        if (isNamed(name, 'expect')) return undefined
        break
      case 7:
        if (isNamed(name, 'upgrade') || isNamed(name, 'trailer')) return undefined
        break
      case 10:
        if (isNamed(name, 'connection')) {
          const value = (fields[i + 1] as string).toLowerCase()
          if (value === 'close') close = true
          else if (value !== 'keep-alive') return undefined
        }
        break
      case 14:
        if (isNamed(name, 'content-length')) {
          const value = fields[i + 1] as string
          if (length !== -1 || !LENGTH.test(value)) return undefined
          length = Number(value)
        }
        break
      case 16:
        // What some take for `Connection`.
        if (isNamed(name, 'proxy-connection')) return undefined
        break
      case 17:
        if (isNamed(name, 'transfer-encoding')) return undefined
        break
    }
  }
  if (hosts !== 1) return undefined
  return { method, target, fields, length: Math.max(0, length), close }
}
