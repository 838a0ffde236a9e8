// What upstreams say: each answer is made of its own request's token, so that a byte of it in the wrong place is known.

import { chunk } from './bodies.js'
import { mutate } from './mutate.js'
import type { Random } from './random.js'

export interface ResponsePlan {
  readonly kind: string
  /** As latin1, in the pieces they are written in. */
  readonly pieces: readonly string[]
  readonly after: 'nothing' | 'end' | 'reset'
  /** What the client is to be given, where the answer is well formed and whole. */
  readonly whole: { readonly status: number; readonly body: string } | undefined
  /** It breaks off: the client may not take it for whole. */
  readonly broken: boolean
  /** It begins with the request's head and does not wait for the body. */
  readonly early: boolean
}

export function bodyOf(token: string, length: number): string {
  const piece = `[${token}]`
  return piece.repeat(Math.ceil(length / piece.length)).slice(0, length)
}

export function planResponse(random: Random, token: string, method: string): ResponsePlan {
  const kind = random.weighted<Kind>([
    [30, counted],
    [15, chunkedBody],
    [4, closeDelimited],
    [4, interim],
    [3, bodiless],
    [3, failing],
    [2, extra],
    [2, broken],
    [2, brokenChunks],
    [2, ambiguous],
    [2, garbage],
    [3, mutated],
    [1, reset],
    [0.3, silent]
  ])
  const plan = kind(random, token, method)
  const early = random.chance(0.08)
  const bytes = plan.bytes
  const pieces = random.chance(0.6) ? [bytes] : cut(random, bytes)
  return { whole: undefined, broken: false, after: 'nothing', ...plan, kind: kind.name, pieces, early }
}

type Kind = (
  random: Random,
  token: string,
  method: string
) => { bytes: string } & Partial<Pick<ResponsePlan, 'after' | 'whole' | 'broken'>>

function cut(random: Random, bytes: string): string[] {
  const pieces: string[] = []
  const size = random.pick([5, 100, 5_000])
  const least = Math.ceil(bytes.length / 10)
  for (let at = 0; at < bytes.length; ) {
    const length = least + random.int(size)
    pieces.push(bytes.slice(at, at + length))
    at += length
  }
  return pieces
}

const head = (token: string, ...fields: string[]) =>
  `HTTP/1.1 200 OK\r\nx-echo: [${token}]\r\n${fields.map((field) => `${field}\r\n`).join('')}\r\n`

function length(random: Random): number {
  return random.chance(0.05) ? random.size(400_000) : random.size(3_000)
}

function counted(random: Random, token: string, method: string) {
  const body = bodyOf(token, length(random))
  const bytes = head(token, `Content-Length: ${body.length}`) + (method === 'HEAD' ? '' : body)
  return { bytes, whole: { status: 200, body: method === 'HEAD' ? '' : body } }
}

function chunkedBody(random: Random, token: string, method: string) {
  const body = bodyOf(token, length(random))
  const bytes = head(token, 'transfer-encoding: chunked') + (method === 'HEAD' ? '' : chunk(random, body))
  return { bytes, whole: { status: 200, body: method === 'HEAD' ? '' : body } }
}

function closeDelimited(random: Random, token: string, method: string) {
  const body = method === 'HEAD' ? '' : bodyOf(token, length(random))
  return {
    bytes: head(token, 'connection: close') + body,
    after: 'end' as const,
    whole: { status: 200, body }
  }
}

function interim(random: Random, token: string, method: string) {
  const hint = `HTTP/1.1 103 Early Hints\r\nlink: <[${token}]>\r\n\r\n`
  const rest = counted(random, token, method)
  return { ...rest, bytes: hint.repeat(1 + random.int(3)) + rest.bytes }
}

function bodiless(random: Random, token: string) {
  const status = random.pick([204, 304])
  return { bytes: `HTTP/1.1 ${status} X\r\nx-echo: [${token}]\r\n\r\n`, whole: { status, body: '' } }
}

function failing(_random: Random, token: string, method: string) {
  const body = method === 'HEAD' ? '' : bodyOf(token, 100)
  return {
    bytes: `HTTP/1.1 503 Busy\r\nx-echo: [${token}]\r\ncontent-length: 100\r\n\r\n${body}`,
    whole: { status: 503, body }
  }
}

/** A whole answer and more than that. */
function extra(random: Random, token: string, method: string) {
  const rest = counted(random, token, method)
  return {
    bytes: rest.bytes + random.pick(['x', `[${token}]`, `${head(token, 'content-length: 1')}x`, '\r\n', '\0'])
  }
}

function broken(random: Random, token: string) {
  const body = bodyOf(token, 50 + length(random))
  return {
    bytes: head(token, `content-length: ${body.length + 1 + random.int(1_000)}`) + body,
    after: random.pick(['end', 'reset'] as const),
    broken: true
  }
}

function brokenChunks(random: Random, token: string) {
  const body = bodyOf(token, 50 + length(random))
  const whole = chunk(random, body)
  return {
    bytes:
      head(token, 'transfer-encoding: chunked') +
      whole.slice(0, Math.min(whole.length - 5, 10 + random.int(whole.length))),
    after: random.pick(['end', 'reset'] as const),
    broken: true
  }
}

function ambiguous(random: Random, token: string) {
  const body = bodyOf(token, 100)
  const fields = random.pick([
    ['content-length: 100', 'content-length: 10'],
    ['content-length: 100', 'transfer-encoding: chunked'],
    ['transfer-encoding: chunked', 'content-length: 10'],
    ['content-length: +100'],
    ['content-length: 100, 10'],
    ['content-length:'],
    ['content-length: -1'],
    ['x-a : 1', 'content-length: 100'],
    ['x-a: 1\r\n 2', 'content-length: 100'],
    [': 1', 'content-length: 100']
  ])
  return { bytes: head(token, ...fields) + (random.chance(0.5) ? body : chunk(random, body)) }
}

function garbage(random: Random, token: string) {
  const bytes = random.pick([
    `[${token}]`,
    `HTTP/1.1 abc [${token}]\r\n\r\n`,
    `HTTP/1.1 101 Switching\r\nupgrade: x\r\n\r\n[${token}]`,
    `HTTP/0.9 200 OK\r\n\r\n[${token}]`,
    `HTTP/1.1 200 OK\r\nx-a: ${'a'.repeat(100_000)}\r\n\r\n`,
    '\r\n\r\n\r\n',
    '\0\0\0',
    'HTTP/1.1 200 OK\n\n'
  ])
  return { bytes, after: random.pick(['end', 'reset', 'nothing'] as const) }
}

function mutated(random: Random, token: string, method: string) {
  const { bytes } = random.chance(0.5) ? counted(random, token, method) : chunkedBody(random, token, method)
  // Few of the bytes are head; that is where it matters.
  const end = bytes.indexOf('\r\n\r\n') + 4
  const changed = random.chance(0.7)
    ? mutate(random, bytes.slice(0, end), 2) + bytes.slice(end)
    : mutate(random, bytes, 3)
  return { bytes: changed, after: random.pick(['nothing', 'nothing', 'end', 'reset'] as const) }
}

function reset(random: Random) {
  return { bytes: '', after: random.pick(['end', 'reset'] as const) }
}

function silent() {
  return { bytes: '' }
}
