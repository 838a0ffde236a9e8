import { Readable } from 'node:stream'
import { ProxyError } from '../errors.js'
import { Deadline, type Deadlines } from '../hooks/deadlines.js'
import type { PluginInstance, Running } from '../hooks/instance.js'
import type { Key } from '../hooks/key.js'
import type { Body, Client, Exchange } from '../hooks/types.js'
import type { Service } from '../service/service.js'
import { pin } from '../workers/buffers.js'
import type { AttemptState } from './attempt.js'
import { DeclaredBody } from './body.js'
import type { Downstream } from './downstream.js'
import { parseGrpcTimeout } from './grpc.js'
import { clientOf, identify } from './identity.js'
import type { Entry, Pipeline, Shared } from './pipeline.js'
import { type RequestHead, RequestState, type RequestTarget } from './request.js'
import { RequestBody, type RequestBodyOptions } from './request-body.js'

/** Everything known of one request while it is under way. What becomes of it is in lifecycle.ts. */
export abstract class ExchangeState extends Deadline implements Exchange, Running {
  readonly shared: Shared
  readonly entry: Entry
  readonly pipeline: Pipeline
  readonly downstream: Downstream
  readonly id: string
  readonly client: Client
  readonly grpc: boolean
  readonly acceptsTrailers: boolean
  readonly request: RequestState
  readonly attempts: AttemptState[] = []
  /** Whose answer the client gets: with hedging not always the latest. */
  answered: AttemptState | undefined = undefined
  readonly startedAt: number
  /** ms that there are for an answer to begin; Infinity for none. */
  timeLimit: number
  /** From when they count, on the clock. */
  protected countedFrom: number
  /** When a gRPC call's own time is up, its whole answer counted; Infinity where it has none. */
  readonly callDeadline: number
  deadline: number
  /** The service that is tried; undefined where there is none to try. */
  protected target: Service | undefined
  /** What goes upstream; another than `clientBody` when a plugin replaced it. Undefined: no body. */
  upload: RequestBody | undefined
  readonly clientBody: RequestBody | undefined
  caller: PluginInstance | undefined = undefined
  waiting: Running['waiting'] = undefined
  bodyAwaited = 0
  conditions: Map<PluginInstance, boolean> | undefined = undefined
  /** A plugin took the upload as a stream and has put nothing in its place. */
  uploadTaken = false
  readonly #expectsContinue: boolean
  #values: Map<Key<unknown>, unknown> | undefined
  #abort: AbortController | undefined
  #over = false

  constructor(
    shared: Shared,
    entry: Entry,
    pipeline: Pipeline,
    downstream: Downstream,
    head: RequestHead,
    target: RequestTarget
  ) {
    super()
    this.shared = shared
    this.entry = entry
    this.pipeline = pipeline
    this.downstream = downstream
    this.startedAt = shared.clock.now()
    this.countedFrom = this.startedAt
    this.target = pipeline.service
    this.grpc = head.grpc
    this.acceptsTrailers = head.acceptsTrailers
    const called =
      head.grpc && head.grpcTimeout !== undefined ? parseGrpcTimeout(head.grpcTimeout) : undefined
    this.callDeadline = called === undefined ? Number.POSITIVE_INFINITY : this.startedAt + called
    this.timeLimit = called === undefined ? pipeline.timeout : Math.min(called, pipeline.timeout)
    this.deadline = this.startedAt + this.timeLimit
    this.#expectsContinue = head.expectsContinue
    this.clientBody = head.hasBody ? this.#bodyOf(downstream, head) : undefined
    this.upload = this.clientBody
    this.request = new RequestState(downstream, entry.scheme, head, target, this)
    this.client = clientOf(head, downstream.peer, entry)
    this.id = identify(head, downstream.peer, entry, downstream.httpVersion, target.authority)
  }

  #bodyOf(downstream: Downstream, { contentLength }: RequestHead): RequestBody {
    const options = new ClientBodyOptions(this)
    if (downstream.whole !== undefined) return RequestBody.of(downstream.whole, options)
    return new RequestBody(downstream.source, contentLength, options, true)
  }

  abstract override expire(): void
  /** The deadline is another. */
  protected abstract retime(): void
  /** The client's body cannot be had. */
  abstract bodyBroke(error: ProxyError): void
  /** Whether the client got anything since this was asked last: one that reads need not write. */
  abstract answersMeanwhile(): boolean
  /** The next piece of the client's body is waited for, or no longer. */
  abstract awaitingClient(awaiting: boolean): void

  /** @internal Few ask for it. */
  makeBody(): Body {
    return new UploadBody(this)
  }

  get listener(): string {
    return this.entry.name
  }

  get route(): Pipeline['route'] {
    return this.pipeline.route
  }

  get service(): string | undefined {
    return this.target?.name
  }

  set service(name: string | undefined) {
    const service = name === undefined ? undefined : this.pipeline.serviceNamed(name)
    if (service === undefined) throw new RangeError(`there is no service ${JSON.stringify(name)}`)
    this.target = service
  }

  get timeout(): number {
    return this.timeLimit
  }

  set timeout(ms: number) {
    if (!(ms > 0)) throw new RangeError(`a timeout is more than 0 ms, not ${ms}`)
    this.timeLimit = Math.min(ms, this.callDeadline - this.startedAt)
    this.deadline = this.countedFrom + this.timeLimit
    this.retime()
  }

  get deadlines(): Deadlines {
    return this.shared.deadlines
  }

  get signal(): AbortSignal {
    if (this.#abort === undefined) {
      this.#abort = new AbortController()
      if (this.#over) this.#abort.abort(ended)
    }
    return this.#abort.signal
  }

  get<T>(key: Key<T>): T | undefined {
    return this.#values?.get(key) as T | undefined
  }

  set<T>(key: Key<T>, value: T): void {
    this.#values ??= new Map()
    this.#values.set(key, value)
  }

  /** The client's body is waited for: no plugin's time runs meanwhile. */
  suspendWaits(): void {
    this.waiting?.suspend()
    for (const attempt of this.attempts) attempt.waiting?.suspend()
  }

  resumeWaits(): void {
    this.waiting?.resume()
    for (const attempt of this.attempts) attempt.waiting?.resume()
  }

  now(): number {
    return this.shared.clock.now()
  }

  /** The upload is wanted: a client that waits for a 100 gets it now. */
  wantUpload(): void {
    if (this.#expectsContinue) this.downstream.wantBody()
  }

  /** The client still waits for a 100 that nobody sent, so it may never send its body. */
  get awaitsContinue(): boolean {
    return this.#expectsContinue && this.clientBody !== undefined && this.clientBody.received === 0
  }

  protected end(): void {
    this.#over = true
    this.#abort?.abort(ended)
  }
}

const ended = new Error('the exchange has ended')

class ClientBodyOptions implements RequestBodyOptions {
  readonly #exchange: ExchangeState

  constructor(exchange: ExchangeState) {
    this.#exchange = exchange
  }

  get deadlines(): Deadlines {
    return this.#exchange.deadlines
  }

  get pauseLimit(): number {
    return this.#exchange.entry.bodyTimeout
  }

  wanted(): void {
    this.#exchange.wantUpload()
  }

  awaiting(on: boolean): void {
    this.#exchange.awaitingClient(on)
  }

  excused(): boolean {
    return this.#exchange.answersMeanwhile()
  }

  /** The client's body is not all there yet. */
  protected get unfinished(): boolean {
    return this.#exchange.clientBody?.complete === false
  }

  broken(error: ProxyError): void {
    this.#exchange.bodyBroke(error)
  }
}

/** The request's body as plugins see it. */
class UploadBody extends DeclaredBody {
  readonly #exchange: ExchangeState

  constructor(exchange: ExchangeState) {
    super('request', exchange)
    this.#exchange = exchange
  }

  get length(): number | undefined {
    const { upload } = this.#exchange
    return upload === undefined ? 0 : upload.length
  }

  kept(): Buffer | undefined {
    const { upload } = this.#exchange
    return upload === undefined ? Buffer.alloc(0) : upload.held
  }

  protected async collect(maxBytes: number): Promise<Buffer> {
    const exchange = this.#exchange
    const { upload } = exchange
    if (upload === undefined) return Buffer.alloc(0)
    exchange.bodyAwaited++
    exchange.suspendWaits()
    try {
      // It still has to be sent on, so a worker gets a copy.
      return pin(await upload.bytes(maxBytes))
    } finally {
      if (--exchange.bodyAwaited === 0) exchange.resumeWaits()
    }
  }

  protected take(): Readable {
    const opened = this.#exchange.upload?.open() ?? null
    this.#exchange.uploadTaken = this.#exchange.upload !== undefined
    return opened instanceof Readable ? opened : Readable.from(opened === null ? [] : [opened])
  }

  protected put(body: Buffer | Readable): void {
    const exchange = this.#exchange
    const { headers } = exchange.request
    exchange.uploadTaken = false
    const options = new ReplacedBodyOptions(exchange)
    if (Buffer.isBuffer(body)) {
      exchange.upload = RequestBody.of(body, options)
      headers.put('content-length', String(body.length))
    } else {
      exchange.upload = new RequestBody(body, undefined, options)
      headers.delete('content-length')
    }
  }
}

/** A plugin's body: the client has no part in how it comes. */
class ReplacedBodyOptions extends ClientBodyOptions {
  override wanted(): void {}

  override awaiting(): void {}

  /** While the client's own body comes, its pauses are timed and not these. */
  override excused(): boolean {
    return this.unfinished
  }

  override broken(error: ProxyError): void {
    super.broken(new ProxyError('PLUGIN_FAILED', 'a plugin failed', { cause: error.cause }))
  }
}
