// The test service of gRPC's interoperability tests on @grpc/grpc-js.
import {
  Metadata,
  type MethodDefinition,
  Server,
  ServerCredentials,
  type ServerDuplexStream,
  type ServerOptions,
  type ServerReadableStream,
  type ServerUnaryCall,
  type ServerWritableStream,
  type sendUnaryData
} from '@grpc/grpc-js'
import type { Certificate } from './certificates.js'
import { deserialize, type Message, SERVICE, serialize } from './grpc.js'

interface Closing {
  teardown(close: () => unknown): unknown
}

function method(name: string, requestStream: boolean, responseStream: boolean) {
  return {
    path: SERVICE + name,
    requestStream,
    responseStream,
    requestSerialize: serialize,
    requestDeserialize: deserialize,
    responseSerialize: serialize,
    responseDeserialize: deserialize
  } satisfies MethodDefinition<Message, Message>
}

const DEFINITION = {
  EmptyCall: method('EmptyCall', false, false),
  UnaryCall: method('UnaryCall', false, false),
  StreamingInputCall: method('StreamingInputCall', true, false),
  StreamingOutputCall: method('StreamingOutputCall', false, true),
  FullDuplexCall: method('FullDuplexCall', true, true)
}

const INITIAL = 'x-grpc-test-echo-initial'
const TRAILING = 'x-grpc-test-echo-trailing-bin'

type AnyCall =
  | ServerUnaryCall<Message, Message>
  | ServerReadableStream<Message, Message>
  | ServerWritableStream<Message, Message>
  | ServerDuplexStream<Message, Message>

/** Sends back the metadata that it is asked to, at the start and at the end. @returns the end's */
function echo(call: AnyCall): Metadata {
  const initial = new Metadata()
  for (const value of call.metadata.get(INITIAL)) initial.add(INITIAL, value)
  if (call.metadata.get(INITIAL).length > 0) call.sendMetadata(initial)
  const trailing = new Metadata()
  for (const value of call.metadata.get(TRAILING)) trailing.add(TRAILING, value)
  return trailing
}

export class GrpcServer {
  readonly address: string
  readonly url: string
  /** Metadata of each call so far. */
  readonly calls: Metadata[] = []
  /** Calls that ended with their client gone. */
  cancelled = 0
  /** Bytes of payloads that came in on streams. */
  received = 0
  /** What the next calls end with, one each, before anything else. */
  readonly refusals: { code: number; details: string }[] = []
  readonly #server: Server
  readonly #waiting = new Set<() => void>()

  private constructor(server: Server, port: number, scheme: string) {
    this.#server = server
    this.address = `127.0.0.1:${port}`
    this.url = `${scheme}://${this.address}`
  }

  /** @param tls its certificate; without one it speaks h2c */
  static async start(t: Closing, tls?: Certificate, options: ServerOptions = {}): Promise<GrpcServer> {
    const server = new Server({ 'grpc.max_receive_message_length': -1, ...options })
    const credentials =
      tls === undefined
        ? ServerCredentials.createInsecure()
        : ServerCredentials.createSsl(null, [
            { private_key: Buffer.from(tls.key), cert_chain: Buffer.from(tls.cert) }
          ])
    let started: GrpcServer | undefined
    const self = () => started as GrpcServer
    server.addService(DEFINITION, {
      EmptyCall: (call: ServerUnaryCall<Message, Message>, done: sendUnaryData<Message>) =>
        self().#unary(call, done),
      UnaryCall: (call: ServerUnaryCall<Message, Message>, done: sendUnaryData<Message>) =>
        self().#unary(call, done),
      StreamingInputCall: (call: ServerReadableStream<Message, Message>, done: sendUnaryData<Message>) =>
        self().#input(call, done),
      StreamingOutputCall: (call: ServerWritableStream<Message, Message>) => self().#output(call),
      FullDuplexCall: (call: ServerDuplexStream<Message, Message>) => self().#duplex(call)
    })
    const port = await new Promise<number>((resolve, reject) => {
      server.bindAsync('127.0.0.1:0', credentials, (error, bound) => (error ? reject(error) : resolve(bound)))
    })
    started = new GrpcServer(server, port, tls === undefined ? 'http' : 'https')
    t.teardown(() => server.forceShutdown())
    return started
  }

  stop(): void {
    this.#server.forceShutdown()
  }

  /** Resolves once `test` holds of it. @throws after 5 s */
  async until(test: (server: GrpcServer) => boolean, what: string): Promise<void> {
    const deadline = AbortSignal.timeout(5_000)
    while (!test(this)) {
      await new Promise<void>((resolve, reject) => {
        const wake = () => {
          this.#waiting.delete(wake)
          deadline.removeEventListener('abort', late)
          resolve()
        }
        const late = () => reject(new Error(`${what}: not in 5 s`))
        if (deadline.aborted) late()
        deadline.addEventListener('abort', late, { once: true })
        this.#waiting.add(wake)
      })
    }
  }

  #changed(): void {
    for (const wake of [...this.#waiting]) wake()
  }

  /** @returns the metadata it ends with, or undefined where it was refused */
  #begin(call: AnyCall, refuse: (status: { code: number; details: string }) => void): Metadata | undefined {
    this.calls.push(call.metadata)
    ;(call as NodeJS.EventEmitter).on('cancelled', () => {
      this.cancelled++
      this.#changed()
    })
    this.#changed()
    const refusal = this.refusals.shift()
    if (refusal === undefined) return echo(call)
    refuse(refusal)
    return undefined
  }

  #unary(call: ServerUnaryCall<Message, Message>, done: sendUnaryData<Message>): void {
    const metadata = this.#begin(call, done)
    if (metadata === undefined) return
    const { status, responseSize } = call.request
    if (status !== undefined) done({ code: status.code, details: status.message, metadata })
    else if (responseSize === undefined) done(null, {}, metadata)
    else done(null, { payload: Buffer.alloc(responseSize) }, metadata)
  }

  #input(call: ServerReadableStream<Message, Message>, done: sendUnaryData<Message>): void {
    const metadata = this.#begin(call, done)
    if (metadata === undefined) return
    let total = 0
    call.on('data', ({ payload }: Message) => {
      total += payload?.length ?? 0
      this.received += payload?.length ?? 0
      this.#changed()
    })
    call.on('end', () => done(null, { total }, metadata))
    call.on('error', () => {})
  }

  async #output(call: ServerWritableStream<Message, Message>): Promise<void> {
    const metadata = this.#begin(call, (status) => call.emit('error', status))
    if (metadata === undefined) return
    for (const { size, pause } of call.request.responses ?? []) {
      await sent(call, size, pause)
      if (call.cancelled) return
    }
    call.end(metadata)
  }

  #duplex(call: ServerDuplexStream<Message, Message>): void {
    const metadata = this.#begin(call, (status) => call.emit('error', status))
    if (metadata === undefined) return
    let answers = Promise.resolve()
    let over = false
    call.on('data', ({ status, responses = [], payload }: Message) => {
      this.received += payload?.length ?? 0
      this.#changed()
      if (status !== undefined) {
        over = true
        call.emit('error', { code: status.code, details: status.message, metadata })
        return
      }
      for (const { size, pause } of responses) {
        answers = answers.then(() => (call.cancelled ? undefined : sent(call, size, pause)))
      }
    })
    call.on('end', () =>
      answers.then(() => {
        if (!over && !call.cancelled) call.end(metadata)
      })
    )
    call.on('error', () => {})
  }
}

/** When it may go on: what a slow reader holds back waits. */
async function sent(
  call: ServerWritableStream<Message, Message> | ServerDuplexStream<Message, Message>,
  size: number,
  pause = 0
): Promise<void> {
  if (pause > 0) {
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, pause)
      call.once('cancelled', () => {
        clearTimeout(timer)
        resolve()
      })
    })
  }
  if (call.cancelled || call.write({ payload: Buffer.alloc(size) })) return
  await new Promise<void>((resolve) => {
    call.once('drain', resolve)
    call.once('cancelled', resolve)
  })
}
