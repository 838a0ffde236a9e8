import type { Socket } from 'node:net'
import { isFieldName, isFieldValue } from '../http1/fields.js'
import type { UpstreamRequest } from './connection.js'

/** What the fast lane writes of a request. */
export interface LaneRequest {
  readonly method: string
  /** Up to and with the empty line; latin1. */
  readonly head: string
  readonly body: Buffer | undefined
  /** Its response has no body, whatever it says. */
  readonly bodiless: boolean
  /** The connection ends with the response. */
  readonly last: boolean
}

/** Bytes up to which copying a body costs less than a second piece to write. */
const ONE_WRITE = 2 * 1024

type LatinBuffer = Buffer & { latin1Slice(start: number, end: number): string }

export function writeLaneRequest(socket: Socket, { head, body }: LaneRequest): void {
  if (body === undefined) {
    socket.write(head, 'latin1')
  } else if (body.length <= ONE_WRITE) {
    socket.write(head + (body as LatinBuffer).latin1Slice(0, body.length), 'latin1')
  } else {
    socket.cork()
    socket.write(head, 'latin1')
    socket.write(body)
    socket.uncork()
  }
}

const METHOD = /^[A-Z]+$/
const PATH = /^\/[\x21-\x7e]*$/
const DIGITS = /^\d+$/

/**
 * The request as undici writes it, byte for byte. Undefined where the fast lane does not take it: bodies that are
 * streams, upgrades, and whatever undici refuses, so that it is refused in its words.
 */
export function laneRequest(request: UpstreamRequest): LaneRequest | undefined {
  const { method, path, headers } = request
  if (request.upgrade !== undefined || !METHOD.test(method) || method === 'CONNECT' || !PATH.test(path))
    return undefined
  const given = request.body
  if (given !== null && !Buffer.isBuffer(given)) return undefined
  let host: string | undefined
  let told: string | undefined
  let lines = ''
  for (let i = 0; i < headers.length; i += 2) {
    const name = headers[i] as string
    const value = headers[i + 1] as string
    if (!isFieldName(name) || !isFieldValue(value)) return undefined
    const meaning = meaningOf(name)
    if (meaning === undefined) {
      lines += `${name}: ${value}\r\n`
    } else if (meaning === 'host') {
      if (host !== undefined) return undefined
      host = value
    } else if (meaning === 'content-length') {
      if (told !== undefined || !DIGITS.test(value)) return undefined
      told = value
    } else {
      return undefined
    }
  }
  if (host === undefined) return undefined
  if (request.acceptsTrailers) lines += 'te: trailers\r\n'
  const body = given === null || given.length === 0 ? undefined : given
  const length = body === undefined ? 0 : body.length
  // GET and HEAD, say: a length that is not the body's is left out, as undici does.
  if (length > 0 && told !== undefined && Number(told) !== length && !UNTOLD.has(method)) return undefined
  const expected = EXPECTS_BODY.has(method)
  if (length > 0 || expected) lines += `content-length: ${length}\r\n`
  const bodiless = method === 'HEAD'
  return {
    method,
    head: `${method} ${path} HTTP/1.1\r\nhost: ${host}\r\nconnection: ${bodiless ? 'close' : 'keep-alive'}\r\n${lines}\r\n`,
    body,
    bodiless,
    // Some services answer a HEAD with a body, and do not read one that they did not expect.
    last: bodiless || (length > 0 && !expected)
  }
}

/**
 * What undici writes by itself, does not let pass, or takes for a wish of its own: its name in lower case. Told apart by
 * length first, and then by a letter, since nearly every field fails there.
 */
function meaningOf(name: string): string | undefined {
  switch (name.length) {
    case 4:
      return same(name, 'host')
    case 6:
      return same(name, 'expect')
    case 7:
      return same(name, 'upgrade')
    case 10:
      return same(name, 'connection') ?? same(name, 'keep-alive')
    case 14:
      return same(name, 'content-length')
    case 17:
      return same(name, 'transfer-encoding')
    default:
      return undefined
  }
}

function same(name: string, lower: string): string | undefined {
  if ((name.charCodeAt(0) | 0x20) !== lower.charCodeAt(0)) return undefined
  return name === lower || name.toLowerCase() === lower ? lower : undefined
}

/** Their semantics expect a body: one that is absent is told of too. */
const EXPECTS_BODY: ReadonlySet<string> = new Set(['POST', 'PUT', 'PATCH', 'QUERY', 'PROPFIND', 'PROPPATCH'])

const UNTOLD: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS', 'TRACE'])
