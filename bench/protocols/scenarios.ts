// What is sent, to which service, and who stands between. Every message and every small body is 128 bytes.
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { bare, type Candidate, packaged } from '../candidates.js'
import { type Running, start } from '../children.js'
import { driveStreams, h2loadMissing, type Streams } from '../load/h2load.js'
import { driveMessages } from '../load/websocket.js'
import { plainGet } from '../matrix/scenarios.js'
import type { Scenario } from '../rounds.js'
import { haproxy, nginx, type Way } from '../servers.js'
import type { Stage } from '../stage.js'
import { checkCall, checkPlain } from './check.js'
import { hook, ours, piping } from './peers.js'

const BYTES = 128
/** gRPC's own, before each message: a flag and a length. */
const PREFIX = 5
/** Messages of a streamed call. */
const MESSAGES = 100
const STREAMS = { connections: 10, streams: 10 }
const SOCKETS = 50

/** Which of the services it goes to. */
export type Service = 'http1' | 'plain' | 'unary' | 'stream' | 'websocket'

export interface ProtocolScenario extends Scenario {
  readonly unit: 'request' | 'call' | 'message'
  readonly service: Service
  /** Why it cannot be driven here. */
  readonly missing: string | undefined
  readonly candidates: readonly Candidate[]
  /** That what h2load does not look at is right: a proxy that breaks it must not be measured. @throws Error */
  check?(url: string): Promise<void>
}

export interface Surroundings {
  /** The folder that holds ours, compiled. */
  readonly build: string
  /** Of one run. */
  readonly directory: string
}

/** All of them, each with those who can take part in it and those who could. */
export function protocolScenarios({ build, directory }: Surroundings): ProtocolScenario[] {
  const get = plainGet
  const packages = ['http-proxy-3', 'httpxy'].map(packaged)
  const frame = join(directory, 'message.bin')
  writeFileSync(frame, Buffer.concat([Buffer.from([0, 0, 0, 0, BYTES]), Buffer.alloc(BYTES, 'x')]))
  const call: Streams = {
    ...STREAMS,
    headers: ['content-type: application/grpc', 'te: trailers'],
    body: frame
  }
  const beside = (way: Way) => [nginx(way), haproxy(way)]
  const http1: Way = { inbound: 'http1', outbound: 'http1' }
  const down: Way = { inbound: 'http2', outbound: 'http1' }
  const through: Way = { inbound: 'http2', outbound: 'http2' }
  const websocket: Way = { inbound: 'http1', outbound: 'websocket' }
  const multiplexed = [ours(build, through), piping(), ...beside(through)]
  return [
    {
      ...get,
      name: 'http1',
      label: `HTTP/1.1: ${get.label}`,
      unit: 'request',
      service: 'http1',
      missing: undefined,
      candidates: [ours(build, http1), bare(), ...packages, ...beside(http1)]
    },
    {
      name: 'http2',
      label: 'HTTP/2 in, HTTP/1.1 out: GET, 128 B answered, 10 connections of 10 streams',
      path: get.path,
      unit: 'request',
      service: 'http1',
      missing: h2loadMissing,
      candidates: [ours(build, down), bare({ server: { http2: true } }), ...beside(down)],
      drive: (url, seconds) => driveStreams(url, STREAMS, seconds, BYTES),
      check: (url) => checkPlain(url, BYTES)
    },
    {
      name: 'http2-both',
      label: 'HTTP/2 in and out: GET, 128 B answered, 10 connections of 10 streams',
      path: get.path,
      unit: 'request',
      service: 'plain',
      missing: h2loadMissing,
      candidates: [
        ...multiplexed.slice(0, 1),
        bare({ server: { http2: true }, proxy: { http2: true } }),
        ...multiplexed.slice(1)
      ],
      drive: (url, seconds) => driveStreams(url, STREAMS, seconds, BYTES),
      check: (url) => checkPlain(url, BYTES)
    },
    {
      name: 'unary',
      label: 'gRPC, unary: a message of 128 B each way, 10 connections of 10 streams',
      path: '/bench.Echo/Unary',
      unit: 'call',
      service: 'unary',
      missing: h2loadMissing,
      candidates: multiplexed,
      drive: (url, seconds) => driveStreams(url, call, seconds, PREFIX + BYTES),
      check: (url) => checkCall(url, 1, BYTES)
    },
    {
      name: 'stream',
      label: `gRPC, server streaming: ${MESSAGES} messages of 128 B a call, 10 connections of 10 streams`,
      path: '/bench.Echo/Stream',
      unit: 'message',
      service: 'stream',
      missing: h2loadMissing,
      candidates: multiplexed,
      drive: (url, seconds) => driveStreams(url, call, seconds, MESSAGES * (PREFIX + BYTES), MESSAGES),
      check: (url) => checkCall(url, MESSAGES, BYTES)
    },
    {
      name: 'websocket',
      label: `WebSocket: messages of 128 B echoed, ${SOCKETS} connections with one under way on each`,
      path: '/chat',
      unit: 'message',
      service: 'websocket',
      missing: undefined,
      candidates: [
        ours(build, websocket),
        hook(build),
        bare({ proxy: { websocket: true } }),
        ...packages,
        ...beside(websocket)
      ],
      drive: (url, seconds) => driveMessages(url, SOCKETS, BYTES, seconds)
    }
  ]
}

/** On the load's core, where the bench runs too. */
export function startService(service: Service, stage: Stage): Promise<Running> {
  if (service === 'http1') return Promise.resolve(stage.upstream)
  const script = service === 'websocket' ? './upstream-websocket.mjs' : './upstream-http2.mjs'
  return start({
    name: `upstream, ${service}`,
    file: process.execPath,
    args: [fileURLToPath(new URL(script, import.meta.url)), service],
    addresses: 2
  })
}
