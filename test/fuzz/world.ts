// The proxy under test, the upstreams behind it, and what is noted down about each exchange on both sides.
import type { Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { definePlugin, type Exchange, Reply } from '../../core/index.js'
import { type StartedProxy, startProxy } from '../../plugins/testing.js'
import { openSocket } from '../support/open-socket.js'
import {
  fieldOf,
  type RecordingUpstream,
  type SeenRequest,
  startRecordingUpstream
} from '../support/raw-upstream.js'
import { Random } from './random.js'
import { decodePath, hostOf } from './reading.js'
import { KEY } from './requests.js'
import { planResponse, type ResponsePlan } from './responses.js'

/** One exchange as the plugins saw it. */
export interface Stamp {
  /** Of the client's connection. */
  readonly port: number
  /** How many came before it on the connection. */
  readonly index: number
  readonly method: string
  readonly path: string
  readonly query: string
  readonly host: string
  /** What the client called it. */
  readonly name: string | undefined
  readonly tokens: string[]
  finished: number
}

/** What an upstream was sent with a token. */
export interface Sighting {
  readonly seen: SeenRequest
  readonly plan: ResponsePlan
  whole: boolean
  /** Bytes that were sent back. */
  answered: number
}

const IDEMPOTENT: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS', 'PUT', 'DELETE'])

/** Attempts that are kept after their connection has been looked at. */
const REMEMBERED = 2_000

export class World {
  /** By the client's port: the exchanges of its connection, in order. */
  readonly exchanges = new Map<number, Stamp[]>()
  readonly stamps = new Map<string, Stamp>()
  readonly sightings = new Map<string, Sighting>()
  readonly findings: string[] = []
  proxy!: StartedProxy
  readonly #seed: number
  readonly #upstreams: RecordingUpstream[] = []
  readonly #looked: string[] = []
  readonly #byExchange = new WeakMap<object, Stamp>()

  private constructor(seed: number) {
    this.#seed = seed
  }

  static async start(seed: number): Promise<World> {
    const world = new World(seed)
    const [a, b] = [await world.#upstream('a'), await world.#upstream('shop')]
    const guard = definePlugin({
      name: 'guard',
      setup: () => ({
        request: ({ request }) => (request.headers.get('x-key') === KEY ? undefined : new Reply(401, 'no'))
      })
    })
    const fast = { connectTimeout: 1_000, idleTimeout: 500 }
    const timeout = 1_200
    const [admin, rest] = [[{ path: '/admin' }, { path: '/admin/*' }], { path: '/*' }]
    const shop = { host: 'shop.test' }
    const retry = { retry: { attempts: 3, on: ['5xx', 'reset', 'connect-failure'], budget: { min: 1_000 } } }
    const routes = (service: string, also: object) => [
      ...admin.map((match, i) => ({
        name: `${service}-admin-${i}`,
        match: { ...match, ...also },
        service,
        timeout,
        plugins: [guard]
      })),
      {
        name: `${service}-local`,
        match: { path: '/local/*', ...also },
        reply: { status: 200, body: 'local' }
      },
      { name: `${service}-retry`, match: { path: '/retry/*', ...also }, service, timeout, plugins: [retry] },
      { name: `${service}-rest`, match: { ...rest, ...also }, service, timeout }
    ]
    world.proxy = await startProxy({
      listeners: {
        in: { address: '127.0.0.1:0', headersTimeout: 1_000, bodyTimeout: 500, idleTimeout: 1_000 }
      },
      plugins: [world.#stamping()],
      services: { a: { endpoints: [a.url], ...fast }, shop: { endpoints: [b.url], ...fast } },
      routes: [...routes('shop', shop), ...routes('a', {})]
    })
    return world
  }

  /** A client's connection, whose exchanges are noted down by its port. */
  async connect(): Promise<{ socket: Socket; port: number }> {
    const socket = await openSocket(this.proxy.url())
    const port = socket.localPort as number
    this.exchanges.set(port, [])
    return { socket, port }
  }

  found(what: string): void {
    this.findings.push(what)
  }

  async close(): Promise<void> {
    await this.proxy.close()
    for (const upstream of this.#upstreams) upstream.close()
  }

  /** Forgets exchanges that have been looked at: a while later, since one that was cancelled may still reach an upstream. */
  forget(stamps: readonly Stamp[]): void {
    for (const { tokens } of stamps) this.#looked.push(...tokens)
    for (const token of this.#looked.splice(0, Math.max(0, this.#looked.length - REMEMBERED))) {
      this.stamps.delete(token)
      this.sightings.delete(token)
    }
  }

  #stamping() {
    return definePlugin({
      name: 'stamp',
      setup: () => ({
        request: (exchange) => this.#stamp(exchange),
        attempt: (attempt, exchange) => {
          const stamp = this.#byExchange.get(exchange) as Stamp
          const token = `${exchange.id}.${attempt.number}`
          stamp.tokens.push(token)
          this.stamps.set(token, stamp)
          attempt.headers.set('x-fuzz-token', token)
        },
        response: (response, exchange) => {
          const stamp = this.#byExchange.get(exchange)
          if (stamp !== undefined) response.headers.set('x-fuzz-exchange', `${stamp.port}.${stamp.index}`)
          else response.headers.delete('x-fuzz-exchange')
        },
        finish: (_result, exchange) => {
          const stamp = this.#byExchange.get(exchange)
          if (stamp !== undefined && ++stamp.finished > 1)
            this.found(`an exchange finished twice: ${exchange.id}`)
        }
      })
    })
  }

  #stamp(exchange: Exchange): void {
    const { request, client } = exchange
    const on = this.exchanges.get(client.port) ?? []
    this.exchanges.set(client.port, on)
    const { method, path, query, host } = request
    const name = request.headers.get('x-fuzz-id')
    const stamp: Stamp = {
      port: client.port,
      index: on.length,
      method,
      path,
      query,
      host,
      name,
      tokens: [],
      finished: 0
    }
    on.push(stamp)
    this.#byExchange.set(exchange, stamp)
  }

  async #upstream(name: 'a' | 'shop'): Promise<RecordingUpstream> {
    const upstream: RecordingUpstream = await startRecordingUpstream(undefined, {
      begun: (seen, socket) => this.#begun(seen, socket, name),
      answer: (seen, socket) => {
        const sighting = this.sightings.get(fieldOf(seen, 'x-fuzz-token') ?? '')
        if (sighting === undefined) return
        sighting.whole = true
        if (!sighting.plan.early) this.#answer(sighting, socket)
      },
      connected: (socket) =>
        socket.on('close', () => {
          const reader = upstream.readers.get(socket)
          if (reader?.violation !== undefined)
            this.found(`upstream ${name} could not read: ${reader.violation}`)
          ;(upstream.readers as Map<Socket, unknown>).delete(socket)
        })
    })
    this.#upstreams.push(upstream)
    return upstream
  }

  /** The head of a request has reached an upstream: everything that must hold of it. */
  #begun(seen: SeenRequest, socket: Socket, name: 'a' | 'shop'): void {
    const token = fieldOf(seen, 'x-fuzz-token') ?? ''
    const stamp = this.stamps.get(token)
    const told = JSON.stringify(seen.head.slice(0, 1_000))
    if (stamp === undefined) {
      this.found(`upstream ${name} was sent what no plugin saw: ${told}`)
      socket.destroy()
      return
    }
    const before = this.sightings.get(token)
    // What dies on a connection that was idle, without a byte of an answer, may be sent once more.
    if (before !== undefined && (before.answered > 0 || !IDEMPOTENT.has(seen.method)))
      this.found(`one attempt was sent twice, behind ${before.answered} bytes (${before.plan.kind}): ${told}`)
    if (seen.method !== stamp.method || seen.target !== stamp.path + stamp.query)
      this.found(`sent ${seen.method} ${seen.target}, matched ${stamp.method} ${stamp.path}${stamp.query}`)
    const host = fieldOf(seen, 'host') ?? ''
    // Where an HTTP/1.0 client names none it is the endpoint's own.
    if (stamp.host !== '' && hostOf(host) !== hostOf(stamp.host))
      this.found(`sent Host ${host}, matched ${stamp.host}`)
    if ((name === 'shop') !== (hostOf(host) === 'shop.test'))
      this.found(`Host ${host} reached upstream ${name}`)
    const path = decodePath(seen.target.replace(/\?[\s\S]*$/, ''))
    if (path === undefined) this.found(`sent a target without one meaning: ${seen.target}`)
    else if (/^\/admin(\/|$)/.test(path) && fieldOf(seen, 'x-key') !== KEY)
      this.found(`reached without a key: ${told}`)
    const plan = planResponse(
      new Random(this.#seed, 'response', stamp.name ?? token, stamp.tokens.length),
      token,
      seen.method
    )
    const sighting = { seen, plan, whole: false, answered: 0 }
    this.sightings.set(token, sighting)
    if (plan.early) this.#answer(sighting, socket)
  }

  #answer(sighting: Sighting, socket: Socket): void {
    const { plan } = sighting
    const write = async () => {
      for (const [i, piece] of plan.pieces.entries()) {
        if (i > 0) await (i % 3 === 0 ? sleep(1) : new Promise(setImmediate))
        if (socket.destroyed) return
        sighting.answered += piece.length
        socket.write(piece, 'latin1')
      }
      if (plan.after === 'end') socket.end()
      else if (plan.after === 'reset') socket.resetAndDestroy()
    }
    write().catch(() => socket.destroy())
  }
}
