// The fast lane's readers against Node's own: whatever they take, both must read alike, to the byte where it ends.

import { ChunkedDecoder, DATA, END, MORE } from '../../core/http1/chunked.js'
import { readRequestHead } from '../../core/http1/request-head.js'
import { CHUNKED, readResponseHead } from '../../core/http1/response-head.js'
import { mutate } from './mutate.js'
import { type Kind, type Message, NodeParser } from './node-parser.js'
import type { Random } from './random.js'

export interface LaneReport {
  /** Messages that were made up. */
  readonly cases: number
  /** Of those, what the lane took. */
  readonly taken: number
  readonly findings: readonly { readonly what: string; readonly text: string }[]
}

const NEXT_REQUEST = 'GET /next HTTP/1.1\r\nhost: a\r\n\r\n'
const NEXT_RESPONSE = 'HTTP/1.1 299 Next\r\ncontent-length: 0\r\n\r\n'
const END_OF_HEAD = '\r\n\r\n'

export function fuzzLanes(random: Random, cases: number): LaneReport {
  const parser = new NodeParser()
  const findings: { what: string; text: string }[] = []
  let taken = 0
  for (let i = 0; i < cases && findings.length < 10; i++) {
    const request = random.chance(0.6)
    let text = request ? makeRequest(random) : makeResponse(random)
    if (random.chance(0.6)) text = mutate(random, text, 3)
    const what = request ? differsAsRequest(parser, text) : differsAsResponse(parser, text, random)
    if (what === undefined) continue
    taken++
    if (what !== '') findings.push({ what, text })
  }
  return { cases, taken, findings }
}

/** @returns undefined: the lane does not take it; empty: both read it alike */
function differsAsRequest(parser: NodeParser, text: string): string | undefined {
  const end = text.indexOf(END_OF_HEAD)
  if (end === -1) return undefined
  const head = text.slice(0, end + END_OF_HEAD.length)
  const mine = readRequestHead(head)
  if (mine === undefined) return undefined
  const body = 'b'.repeat(Math.min(mine.length, 100_000))
  if (body.length < mine.length) return undefined
  const { message, next } = parser.read(head + body + NEXT_REQUEST, 'request')
  if (message === undefined) return 'Node reads no request'
  if (mine.method !== message.method) return `method ${mine.method}, to Node ${message.method}`
  if (mine.target !== message.target) return `target ${mine.target}, to Node ${message.target}`
  if (message.upgrade || message.version !== '1.1') return 'to Node an upgrade or another version'
  return common(mine.fields, body, message) ?? ends(!mine.close, message, next, '/next')
}

function differsAsResponse(parser: NodeParser, text: string, random: Random): string | undefined {
  const end = text.indexOf(END_OF_HEAD)
  if (end === -1) return undefined
  const bodiless = random.chance(0.1)
  const kind: Kind = bodiless ? 'head-response' : 'response'
  const head = text.slice(0, end + END_OF_HEAD.length)
  const mine = readResponseHead(head, bodiless)
  if (mine === undefined) return undefined
  let sent = 'b'.repeat(Math.min(Math.max(0, mine.length), 100_000))
  if (mine.length > sent.length) return undefined
  let body = sent
  if (mine.length === CHUNKED) {
    const rest = text.slice(head.length)
    const read = readChunked(rest, random)
    if (read === undefined) return undefined
    sent = rest.slice(0, read.length)
    body = read.body
  }
  const { message, next } = parser.read(head + sent + NEXT_RESPONSE, kind)
  if (message === undefined) return 'Node reads no response'
  if (mine.status !== message.status) return `status ${mine.status}, to Node ${message.status}`
  if (mine.statusText !== message.statusText)
    return `reason ${mine.statusText}, to Node ${message.statusText}`
  if (message.trailers.length > 0) return 'to Node it has trailers'
  // Whether a connection stays, llhttp says before it knows that the answer is one to HEAD.
  const kept = bodiless ? message.keepAlive : !mine.close
  return common(mine.fields, body, message) ?? ends(kept, message, next, '299')
}

function common(fields: readonly string[], body: string, message: Message): string | undefined {
  if (JSON.stringify(fields) !== JSON.stringify(message.fields)) return 'the fields differ'
  return body === message.body ? undefined : `a body of ${body.length}, to Node of ${message.body.length}`
}

function ends(keepAlive: boolean, message: Message, next: string | undefined, wanted: string): string {
  if (keepAlive !== message.keepAlive) return `kept: ${keepAlive}, to Node ${message.keepAlive}`
  return !keepAlive || next === wanted ? '' : `what follows is ${next} to Node`
}

/** Cut anywhere. @returns undefined where the lane gives it up */
function readChunked(text: string, random: Random): { body: string; length: number } | undefined {
  const decoder = new ChunkedDecoder()
  let body = ''
  for (let at = 0; at < text.length; ) {
    const size = random.chance(0.5) ? text.length : 1 + random.int(7)
    const piece = Buffer.from(text.slice(at, at + size), 'latin1')
    decoder.feed(piece, 0)
    let event = decoder.next()
    for (; event === DATA; event = decoder.next()) body += piece.toString('latin1', decoder.from, decoder.to)
    if (event === END) return { body, length: at + decoder.at }
    if (event !== MORE) return undefined
    at += piece.length
  }
  return undefined
}

const PLAIN = ['accept', 'X-A', 'x_b', 'cookie', 'user-agent', 'traceparent', 'Date', 'ETag'] as const
const NAMES = [
  'accept',
  'X-A',
  'x_b',
  'cookie',
  'Connection',
  'keep-alive',
  'proxy-connection',
  'te',
  'trailer',
  'upgrade',
  'expect',
  'content-length',
  'transfer-encoding',
  'host',
  'date'
] as const
const VALUES = [
  '',
  '1',
  'close',
  'keep-alive',
  'Close',
  'keep-alive, close',
  'upgrade',
  'websocket',
  'chunked',
  '5',
  '05',
  'a b\tc',
  'timeout=5, max=100',
  '\xe4\xf6',
  'text/html;q=0.9, */*',
  '  spaced  '
] as const

function makeFields(random: Random): string {
  let text = ''
  for (let i = random.int(6); i > 0; i--)
    text += random.chance(0.8)
      ? `${random.pick(PLAIN)}: ${random.word()}\r\n`
      : `${random.pick(NAMES)}:${random.pick(['', ' ', ' ', '  ', '\t'])}${random.pick(VALUES)}\r\n`
  return text
}

const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'PATCH', 'OPTIONS'] as const
const TARGETS = ['/', '/a/b?c=d', '/%2e%2e/x', '/~a;b=c', '//x', '/a[1]?q=%zz&x'] as const
const ODD_TARGETS = ['*', '/a b', 'http://a/b', '/{x}', '/#x', 'a', '/\xe4'] as const

function makeRequest(random: Random): string {
  const method = random.chance(0.95) ? random.pick(METHODS) : random.pick(['get', 'QUERY', 'PRI', 'CONNECT'])
  const target = random.chance(0.9) ? random.pick(TARGETS) : random.pick(ODD_TARGETS)
  const version = random.chance(0.97)
    ? 'HTTP/1.1'
    : random.pick(['HTTP/1.0', 'HTTP/2.0', 'HTTP/1.2', 'http/1.1'])
  const length = random.chance(0.4) ? `content-length: ${random.size(300)}\r\n` : ''
  return `${method} ${target} ${version}\r\nHost: a.test\r\n${makeFields(random)}${length}\r\n`
}

const ODD_STATUSES = [204, 205, 304, 503, 100, 101, 103, 599, 600, 999] as const

function makeResponse(random: Random): string {
  const status = random.chance(0.8) ? random.pick([200, 201, 404, 500]) : random.pick(ODD_STATUSES)
  const reason = random.chance(0.9) ? random.pick(['OK', '', 'Not Found']) : random.pick(['a\tb', '\xe4'])
  const version = random.chance(0.95) ? 'HTTP/1.1' : random.pick(['HTTP/1.0', 'HTTP/1.2'])
  const head = `${version} ${status} ${reason}\r\n${makeFields(random)}`
  if (random.chance(0.5)) return `${head}content-length: ${random.size(300)}\r\n\r\n`
  if (random.chance(0.1)) return `${head}\r\n`
  return `${head}Transfer-Encoding: chunked\r\n\r\n${makeChunks(random)}`
}

function makeChunks(random: Random): string {
  let text = ''
  for (let i = random.int(4); i > 0; i--) {
    const size = 1 + random.size(80)
    const hex = random.chance(0.1) ? size.toString(16).toUpperCase().padStart(3, '0') : size.toString(16)
    const extension = random.chance(0.05) ? ';a=b' : ''
    text += `${hex}${extension}\r\n${'c'.repeat(size)}\r\n`
  }
  return `${text}0\r\n${random.chance(0.05) ? 'x-sum: 1\r\n' : ''}\r\n`
}
