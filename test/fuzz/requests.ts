// What clients say: whole connections of requests, most of them well formed, some odd, some broken.
import { makeBody } from './bodies.js'
import { mutate } from './mutate.js'
import type { Random } from './random.js'

export const KEY = 'sesame'

/** What one client does on one connection. */
export interface ClientPlan {
  /** As latin1, in the pieces they are written in. */
  readonly pieces: readonly string[]
  /** ms between pieces; 0 for the next turn of the event loop, -1 for none. */
  readonly pause: number
  /**
   * What follows the last piece. `wait`: for the answers; `patient`: until the proxy closes, or all is answered;
   * `end`: its half is closed; `leave`, `reset`: at once.
   */
  readonly after: 'wait' | 'patient' | 'end' | 'leave' | 'reset'
}

export function planClient(random: Random, connection: number): ClientPlan {
  const count = random.weighted([
    [6, 1],
    [3, 2],
    [2, 3],
    [1, 5]
  ])
  const odd = random.chance(0.5)
  let bytes = ''
  for (let i = 0; i < count; i++) bytes += makeRequest(random, `${connection}-${i}`, odd)
  if (random.chance(0.35)) bytes = mutate(random, bytes, 3)
  if (random.chance(0.04)) bytes = '\r\n'.repeat(1 + random.int(3)) + bytes
  return {
    pieces: split(random, bytes),
    pause: random.weighted([
      [5, -1],
      [4, 0],
      [1, 1]
    ]),
    after: random.weighted([
      [20, 'wait'],
      [2, 'patient'],
      [2, 'end'],
      [1, 'leave'],
      [1, 'reset']
    ])
  }
}

function split(random: Random, bytes: string): string[] {
  if (random.chance(0.5)) return [bytes]
  const pieces: string[] = []
  const size = random.pick([1, 7, 50, 1000])
  // Bytes one by one only where that does not take long.
  const least = bytes.length > 2000 ? Math.ceil(bytes.length / 20) : 1
  for (let at = 0; at < bytes.length; ) {
    const length = least + random.int(size)
    pieces.push(bytes.slice(at, at + length))
    at += length
  }
  return pieces
}

function makeRequest(random: Random, id: string, odd: boolean): string {
  const method = random.weighted([
    [10, 'GET'],
    [8, 'POST'],
    [2, 'PUT'],
    [2, 'HEAD'],
    [1, 'DELETE'],
    [1, 'OPTIONS'],
    [1, 'PATCH'],
    [odd ? 0.3 : 0, random.pick(['get', 'FOO', 'CONNECT', 'PROPFIND', 'GE T', ''])]
  ])
  const host = random.weighted([
    [6, 'a.test'],
    [4, 'shop.test'],
    [1, 'SHOP.Test:80'],
    [
      odd ? 0.5 : 0,
      random.pick([
        '',
        'a b',
        'shop.test.',
        'a.test@shop.test',
        '[::1]',
        'a.test:x',
        'a.test,shop.test',
        'a%2etest'
      ])
    ]
  ])
  let target = makeTarget(random, odd)
  if (random.chance(0.05))
    target = `${random.pick(['http://', 'HTTP://', 'https://'])}${random.pick(['a.test', 'shop.test', 'u@a.test', ''])}${target}`
  const version =
    odd && random.chance(0.06)
      ? random.pick(['HTTP/1.0', 'HTTP/1.0', 'HTTP/1.2', 'HTTP/2.0', 'http/1.1', ''])
      : 'HTTP/1.1'
  const fields = [`host: ${host}`, `x-fuzz-id: ${id}`]
  if (odd && random.chance(0.03)) fields.push(`Host: ${random.pick(['a.test', 'shop.test'])}`)
  if (odd && random.chance(0.02)) fields.shift()
  if (random.chance(0.4)) fields.push(`x-key: ${random.chance(0.7) ? KEY : random.word()}`)
  for (let i = random.int(4); i > 0; i--) fields.push(makeField(random, odd))
  const { lines, body } = makeBody(random, method, odd)
  fields.push(...lines)
  if (lines.length > 0 && random.chance(0.06)) fields.push('expect: 100-continue')
  if (random.chance(0.04)) fields.push(...random.pick(UPGRADES))
  if (random.chance(0.5)) fields.sort(() => random.next() - 0.5)
  return `${method} ${target} ${version}\r\n${fields.map((field) => `${field}\r\n`).join('')}\r\n${body}`
}

const UPGRADES = [
  ['connection: upgrade', 'upgrade: h2c', 'http2-settings: AAMAAABk'],
  ['connection: Upgrade, x-key', 'upgrade: foo/2'],
  [
    'connection: upgrade',
    'upgrade: websocket',
    'sec-websocket-version: 13',
    'sec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA=='
  ],
  ['connection: upgrade', 'upgrade: websocket, h2c']
] as const

const BASES = ['/pub/a', '/pub/a', '/admin/x', '/admin', '/local/x', '/retry/a', '/', '/x'] as const
const CLIMBS = [
  '..',
  '.',
  '%2e%2e',
  '%2E.',
  '.%2e',
  '..;',
  '..;a=b',
  '%2e%2e%3b',
  '..\\',
  '..%2f',
  '%2f..',
  '..%5c',
  '%c0%ae%c0%ae',
  '...',
  '%252e%252e',
  '',
  '%00',
  ';a',
  '%'
] as const

export function makeTarget(random: Random, odd: boolean): string {
  let target = random.pick(BASES) as string
  if (odd) {
    while (random.chance(0.35)) {
      const parts = target.split('/')
      parts.splice(
        1 + random.int(parts.length),
        0,
        ...(random.chance(0.5) ? ['pub', random.pick(CLIMBS)] : [random.pick(CLIMBS)])
      )
      target = parts.join('/')
    }
    if (random.chance(0.1)) {
      const at = 1 + random.int(target.length)
      const code = target.charCodeAt(at)
      if (!Number.isNaN(code))
        target = `${target.slice(0, at)}%${code.toString(16).padStart(2, '0')}${target.slice(at + 1)}`
    }
    if (random.chance(0.04))
      target += random.pick(['#/../admin/x', '\x01', '\xe9', '%ff', '\\', ' x', '%2fadmin', '%zz', '*'])
    if (random.chance(0.02)) target = target.slice(1)
  }
  if (random.chance(0.3))
    target += `?${random.pick(['a=1', '../../admin/x', '%2f%zz', 'a=/../', '?', '[]{}|'])}`
  if (random.chance(0.01)) target += `?${'q'.repeat(random.int(20_000))}`
  return target
}

function makeField(random: Random, odd: boolean): string {
  const plain = () =>
    `${random.pick(['x-a', 'X-B', 'cookie', 'accept', 'user-agent', '__proto__', 'constructor'])}: ${random.word()}`
  if (!odd || random.chance(0.4)) return plain()
  return random.weighted([
    [
      3,
      `connection: ${random.pick(['close', 'keep-alive', 'x-key', 'close, x-fuzz-token', 'host', 'content-length', 'transfer-encoding', 'upgrade', ',,', '__proto__'])}`
    ],
    [1, 'x-fuzz-token: mine'],
    [1, `x-forwarded-for: ${random.pick(['9.9.9.9', '', 'x, y'])}`],
    [1, `te: ${random.pick(['trailers', 'gzip', 'chunked'])}`],
    [1, `upgrade: ${random.pick(['h2c', 'foo/2'])}`],
    [1, 'expect: 100-continue'],
    [0.5, `expect: ${random.word()}`],
    [0.5, `x-big: ${'b'.repeat(random.size(70_000))}`],
    [0.5, Array.from({ length: random.size(130) }, (_, i) => `x-${i}: 1`).join('\r\n') || 'x-0: 1'],
    [
      1,
      random.pick([
        'x-a : 1',
        ' x-a: 1',
        ': 1',
        'x-a',
        'x a: 1',
        'x-a: 1\r\n 2',
        'x-a: \x01',
        'x-a: 1\r2',
        'x-\xe9: 1',
        'x-a:\x00'
      ])
    ],
    [
      1,
      random.pick([
        'transfer_encoding: chunked',
        'content_length: 5',
        'x_key: sesame',
        'X.Key: sesame',
        'x_fuzz_token: mine'
      ])
    ],
    [1, 'x-empty:']
  ])
}
