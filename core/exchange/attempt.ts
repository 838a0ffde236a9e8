import { type Duplex, Readable } from 'node:stream'
import { ProxyError } from '../errors.js'
import type { Deadlines } from '../hooks/deadlines.js'
import type { AttemptHooks } from '../hooks/hook-set.js'
import type { AttemptEnd } from '../hooks/types.js'
import type { UpstreamListener } from '../service/connection.js'
import type { EndpointState } from '../service/endpoint.js'
import type { Service } from '../service/service.js'
import { AttemptRecord } from './attempt-record.js'
import { Fields } from './fields.js'
import { grpcStatusIn } from './grpc.js'
import { isChunkedAtMost, strip } from './response-head.js'

/** Bytes and ms that throwing a response away may take; past them its connection is closed instead. */
const DISCARD_BYTES = 64 * 1024
const DISCARD_MS = 1_000

/** Whoever made the attempt and hears what becomes of it. */
export interface AttemptOwner {
  readonly deadlines: Deadlines
  /** Its responses say in `grpc-status` how they went. */
  readonly grpc: boolean
  now(): number
  /** Whether a response of this status has no body, whatever its content-length says (HEAD, 204, 304). */
  isBodiless(status: number): boolean
  information(status: number, headers: string[]): void
  /** There is a response or an error, and not a byte of it has gone anywhere. */
  concluded(attempt: AttemptState): void
  /** A piece of the body the client gets. @returns false to wait for `resume` */
  relay(chunk: Buffer): boolean
  relayed(trailers: string[]): void
  /** The response broke off after its head had gone out. */
  broke(error: ProxyError): void
  /** How the attempt ended: once. */
  settled(attempt: AttemptState): void
}

/** Where the body's bytes go. `held`: nowhere yet, the connection is paused. `tunnelled`: it is no body any more. */
type Flow = 'held' | 'relayed' | 'collected' | 'streamed' | 'discarded' | 'tunnelled' | 'over'

/** One attempt, from the upstream's first word to the last byte of its body. */
export class AttemptState extends AttemptRecord implements UpstreamListener {
  readonly #owner: AttemptOwner
  #flow: Flow = 'held'
  #paused = false
  #chunks: Buffer[] | undefined
  #collected = 0
  #limit = 0
  /** Bytes of body that were announced and will come. */
  #expected = 0
  #collector: { resolve(body: Buffer): void; reject(error: Error): void } | undefined
  #stream: Readable | undefined
  /** The upstream's side of an upgrade, until someone takes it. */
  #socket: Duplex | undefined
  /** The time that runs is a connection's. */
  #connecting = false
  /** The upstream is done although the body is still held: it was empty. */
  #over = false

  constructor(
    owner: AttemptOwner,
    number: number,
    target: Service,
    endpoint: EndpointState,
    hooks: AttemptHooks,
    requestHeaders: Fields,
    reason: string | undefined,
    again: boolean
  ) {
    super(owner.now(), number, target, endpoint, hooks, requestHeaders, reason, again)
    this.#owner = owner
  }

  // What the upstream says

  information(status: number, headers: string[]): void {
    if (this.#flow === 'held') this.#owner.information(status, headers)
  }

  responded(status: number, headers: string[], statusText: string, final: boolean): boolean {
    if (!isChunkedAtMost(headers)) {
      this.call?.cancel()
      this.failed(
        new ProxyError(
          'BAD_UPSTREAM_RESPONSE',
          'the service answered with a transfer coding other than chunked'
        )
      )
      return true
    }
    this.#head(status, headers)
    if (status >= 500) this.endpoint.failures++
    this.statusText = statusText
    this.final = final
    this.#over = final
    this.#expected = final || this.#owner.isBodiless(status) ? 0 : (this.contentLength ?? 0)
    this.#owner.concluded(this)
    if (this.#flow !== 'held') return true
    this.#paused = true
    return false
  }

  upgraded(headers: string[], socket: Duplex): void {
    this.#head(101, headers)
    this.#socket = socket
    // It may break before anyone has it.
    socket.on('error', () => {})
    this.#owner.concluded(this)
  }

  #head(status: number, headers: string[]): void {
    this.#owner.deadlines.unwatch(this)
    this.latency = this.#owner.now() - this.startedAt
    this.endpoint.latency = this.latency
    this.status = status
    this.contentLength = strip(headers)
    if (this.#owner.grpc) this.grpcStatus = grpcStatusIn(headers)
    this.responseHeaders = new Fields(headers)
  }

  data(chunk: Buffer): boolean {
    switch (this.#flow) {
      case 'relayed':
        return this.#owner.relay(chunk)
      case 'collected':
        return this.#collect(chunk)
      case 'streamed':
        return this.#stream?.push(chunk) ?? true
      case 'discarded':
        this.#collected += chunk.length
        if (this.#collected > DISCARD_BYTES) this.cancel('discarded')
        return true
      default:
        return true
    }
  }

  ended(trailers: string[]): void {
    const flow = this.#flow
    if (flow !== 'held') this.#flow = 'over'
    if (this.#owner.grpc) this.grpcStatus ??= grpcStatusIn(trailers)
    switch (flow) {
      case 'relayed':
        // The last bytes leave before plugins hear of it.
        this.#owner.relayed(trailers)
        this.#settle('complete')
        break
      case 'collected':
        this.#settle('complete')
        this.#collector?.resolve(Buffer.concat(this.#chunks ?? []))
        break
      case 'streamed':
        this.#stream?.push(null)
        this.#settle('complete')
        break
      case 'discarded':
        this.#settle('discarded')
        break
      case 'held':
        // An empty body can end within the call that announced it: nothing is left to hold.
        this.#over = true
        break
    }
  }

  failed(error: ProxyError): void {
    const flow = this.#flow
    if (this.end !== undefined) return
    if (this.status === undefined) {
      this.#owner.deadlines.unwatch(this)
      this.latency = this.#owner.now() - this.startedAt
      this.endpoint.failures++
      this.error = error
      this.#flow = 'over'
      this.#owner.concluded(this)
      return
    }
    this.error ??= error
    this.endpoint.failures++
    this.#flow = 'over'
    this.#settle(flow === 'discarded' ? 'discarded' : 'broken')
    if (flow === 'collected') this.#collector?.reject(error)
    else if (flow !== 'discarded') {
      // A plugin's own pipe need not pass an error on: the client must not wait for an end that never comes.
      this.#stream?.destroy(error)
      this.#owner.broke(error)
    }
  }

  /** No response within the attempt's own timeout. */
  override expire(): void {
    if (this.#flow === 'discarded') {
      this.cancel('discarded')
      return
    }
    if (this.#connecting) {
      this.#connecting = false
      if (this.sent) {
        if (this.timeout !== Number.POSITIVE_INFINITY)
          this.#owner.deadlines.watch(this, Math.max(0, this.timeout - this.connectTimeout))
        return
      }
      this.call?.cancel()
      this.failed(new ProxyError('CONNECT_TIMEOUT', 'no connection to the service was to be had in time'))
      return
    }
    this.call?.cancel()
    this.failed(new ProxyError('RESPONSE_TIMEOUT', 'the service did not answer in time'))
  }

  // What the owner wants

  /** Its own times run from now. @param left ms that the exchange has: what is past that would only ever come second */
  time(left: number): void {
    const { deadlines } = this.#owner
    this.#connecting =
      this.connectTimeout < this.target.config.connectTimeout && this.connectTimeout < this.timeout
    if (this.#connecting) deadlines.watch(this, this.connectTimeout)
    else if (this.timeout < left) deadlines.watch(this, this.timeout)
  }

  /** The body goes to the client. */
  relay(): void {
    this.#go('relayed')
  }

  resume(): void {
    this.call?.resume()
  }

  /** The whole body. @throws ProxyError BAD_UPSTREAM_RESPONSE past `limit` bytes */
  collect(limit: number): Promise<Buffer> {
    if (this.#expected > limit) return Promise.reject(pastBudget(limit))
    return new Promise((resolve, reject) => {
      this.#limit = limit
      this.#collector = { resolve, reject }
      this.#go('collected')
    })
  }

  /** The body for a plugin to read. */
  stream(): Readable {
    const stream = new Readable({ read: () => this.resume() })
    stream.on('error', () => {})
    this.#stream = stream
    this.#go('streamed')
    return stream
  }

  /** The upstream's side of the connection that was upgraded; `conclude` tells when it has ended. */
  takeSocket(): Duplex | undefined {
    const socket = this.#socket
    if (socket === undefined || this.#flow !== 'held') return undefined
    this.#socket = undefined
    this.#flow = 'tunnelled'
    return socket
  }

  /** Nobody wants the body: drained if that is little, else its connection is closed. */
  discard(): void {
    if (this.end !== undefined || this.#flow === 'discarded') return
    if (
      this.status === undefined ||
      this.#flow !== 'held' ||
      this.#socket !== undefined ||
      this.#expected > DISCARD_BYTES
    ) {
      this.cancel('discarded')
      return
    }
    this.#collected = 0
    this.#owner.deadlines.watch(this, DISCARD_MS)
    this.#go('discarded')
  }

  /** Ends it now, and its connection with it where anything is under way. */
  cancel(end: AttemptEnd = 'cancelled'): void {
    if (this.end !== undefined) return
    const stream = this.#stream
    const collector = this.#flow === 'collected' ? this.#collector : undefined
    this.#flow = 'over'
    this.call?.cancel()
    this.#socket?.destroy()
    this.#settle(this.error !== undefined && this.status === undefined ? 'failed' : end)
    stream?.destroy()
    collector?.reject(new ProxyError('CLIENT_CLOSED', 'the exchange has ended'))
  }

  /** As if it had not been sent. */
  repeat(): void {
    this.error = undefined
    this.#flow = 'held'
    this.endpoint.failures--
  }

  /** An attempt that failed before there was a response has nothing to drain, and a tunnel ends by itself. */
  conclude(): void {
    this.#settle(this.#flow === 'tunnelled' ? 'complete' : 'failed')
  }

  #go(flow: Flow): void {
    if (this.#flow !== 'held') return
    this.#flow = flow
    if (this.#over) {
      this.ended([])
    } else if (this.#paused) {
      this.#paused = false
      this.call?.resume()
    }
  }

  #collect(chunk: Buffer): boolean {
    this.#chunks ??= []
    this.#chunks.push(chunk)
    this.#collected += chunk.length
    if (this.#collected > this.#limit) {
      this.#chunks = undefined
      this.#collector?.reject(pastBudget(this.#limit))
      this.cancel('cancelled')
    }
    return true
  }

  /** It was answered, to the end or as far as it was wanted, and not with an error. */
  #isServed(): boolean {
    const { end, status } = this
    return status !== undefined && status < 500 && (end === 'complete' || end === 'discarded')
  }

  #settle(end: AttemptEnd): void {
    if (this.end !== undefined) return
    this.end = end
    this.#owner.deadlines.unwatch(this)
    this.leave()
    this.#owner.settled(this)
    // What plugins made of a probe, they made of it by now.
    if (this.probes !== undefined) this.target.marks.probed(this.endpoint, this.probes, this.#isServed())
  }
}

export function pastBudget(limit: number): ProxyError {
  return new ProxyError(
    'BAD_UPSTREAM_RESPONSE',
    `the response is larger than the ${limit} bytes a plugin may hold`
  )
}
