// A client of gRPC's test service, on @grpc/grpc-js.
import {
  ChannelCredentials,
  type ChannelOptions,
  Client,
  type ClientDuplexStream,
  type ClientReadableStream,
  type ClientUnaryCall,
  type ClientWritableStream,
  compressionAlgorithms,
  Metadata,
  type StatusObject
} from '@grpc/grpc-js'
import { deserialize, type Message, SERVICE, serialize } from './grpc.js'

interface Closing {
  teardown(close: () => unknown): unknown
}

/** How a call ended, and all that came before. */
export interface Ended {
  code: number
  details: string
  initial: Metadata
  trailing: Metadata
  messages: Message[]
}

interface CallOptions {
  metadata?: Record<string, string | Buffer | readonly string[]>
  /** ms */
  timeout?: number
}

export class GrpcClient {
  readonly #client: Client
  readonly #address: string
  readonly #ca: string | undefined

  /**
   * @param address `host:port`, or what the client's own name resolution takes
   * @param ca whom to trust with the name `localhost`; without one it speaks h2c
   * @param options of the channel
   */
  constructor(t: Closing, address: string, ca?: string, options: ChannelOptions = {}) {
    this.#address = address
    this.#ca = ca
    const credentials =
      ca === undefined ? ChannelCredentials.createInsecure() : ChannelCredentials.createSsl(Buffer.from(ca))
    this.#client = new Client(address, credentials, {
      'grpc.max_receive_message_length': -1,
      // What fails is to be seen, and not repeated out of sight.
      'grpc.enable_retries': 0,
      // Each client has connections of its own.
      'grpc.use_local_subchannel_pool': 1,
      ...(ca === undefined ? {} : { 'grpc.ssl_target_name_override': 'localhost' }),
      ...options
    })
    t.teardown(() => this.#client.close())
  }

  /** Another one to the same address, that compresses its messages. */
  compressing(t: Closing): GrpcClient {
    return new GrpcClient(t, this.#address, this.#ca, {
      'grpc.default_compression_algorithm': compressionAlgorithms.gzip
    })
  }

  close(): void {
    this.#client.close()
  }

  /** @param path a method of the test service, or a whole path */
  unary(path: string, message: Message, options: CallOptions = {}): Promise<Ended> {
    let answer: Message | undefined
    const call: ClientUnaryCall = this.#client.makeUnaryRequest(
      full(path),
      serialize,
      deserialize,
      message,
      ...opening(options),
      (_error, value?: Message) => {
        answer = value
      }
    )
    return ended(call, () => (answer === undefined ? [] : [answer]))
  }

  /** The stream, and how it will end. */
  input(options: CallOptions = {}): { call: ClientWritableStream<Message>; ended: Promise<Ended> } {
    let answer: Message | undefined
    const call: ClientWritableStream<Message> = this.#client.makeClientStreamRequest(
      full('StreamingInputCall'),
      serialize,
      deserialize,
      ...opening(options),
      (_error, value?: Message) => {
        answer = value
      }
    )
    return { call, ended: ended(call, () => (answer === undefined ? [] : [answer])) }
  }

  output(message: Message, options: CallOptions = {}): StreamOf<ClientReadableStream<Message>> {
    const call: ClientReadableStream<Message> = this.#client.makeServerStreamRequest(
      full('StreamingOutputCall'),
      serialize,
      deserialize,
      message,
      ...opening(options)
    )
    return streamOf(call)
  }

  duplex(options: CallOptions = {}): StreamOf<ClientDuplexStream<Message, Message>> {
    const call: ClientDuplexStream<Message, Message> = this.#client.makeBidiStreamRequest(
      full('FullDuplexCall'),
      serialize,
      deserialize,
      ...opening(options)
    )
    return streamOf(call)
  }

  /** A unary call of any service, its messages as bytes. */
  bytes(
    path: string,
    message: Buffer
  ): Promise<{ code: number; details: string; answer: Buffer | undefined }> {
    return new Promise((resolve) => {
      const raw = (value: Buffer) => value
      this.#client.makeUnaryRequest(path, raw, raw, message, ...opening({}), (error, answer?: Buffer) => {
        resolve({ code: error?.code ?? 0, details: error?.details ?? '', answer })
      })
    })
  }
}

interface StreamOf<Call> {
  call: Call
  ended: Promise<Ended>
  /** The next message that comes, or undefined at the end. */
  next(): Promise<Message | undefined>
}

function streamOf<Call extends ClientReadableStream<Message> | ClientDuplexStream<Message, Message>>(
  call: Call
): StreamOf<Call> {
  const messages: Message[] = []
  const waiting: ((message: Message | undefined) => void)[] = []
  let given = 0
  let over = false
  call.on('data', (message: Message) => {
    messages.push(message)
    const wake = waiting.shift()
    if (wake !== undefined) wake(messages[given++])
  })
  const end = ended(call, () => messages)
  void end.then(() => {
    over = true
    for (const wake of waiting.splice(0)) wake(undefined)
  })
  const next = () => {
    if (given < messages.length) return Promise.resolve(messages[given++])
    if (over) return Promise.resolve(undefined)
    return new Promise<Message | undefined>((resolve) => waiting.push(resolve))
  }
  return { call, ended: end, next }
}

function full(path: string): string {
  return path.startsWith('/') ? path : SERVICE + path
}

function opening({ metadata = {}, timeout }: CallOptions): [Metadata, { deadline?: number }] {
  const sent = new Metadata()
  for (const [name, value] of Object.entries(metadata)) {
    for (const one of Array.isArray(value) ? value : [value]) sent.add(name, one)
  }
  return [sent, timeout === undefined ? {} : { deadline: Date.now() + timeout }]
}

function ended(
  call:
    | ClientUnaryCall
    | ClientWritableStream<Message>
    | ClientReadableStream<Message>
    | ClientDuplexStream<Message, Message>,
  messages: () => Message[]
): Promise<Ended> {
  return new Promise((resolve) => {
    let initial = new Metadata()
    const emitter = call as NodeJS.EventEmitter
    emitter.on('metadata', (metadata: Metadata) => {
      initial = metadata
    })
    // The status says it too.
    emitter.on('error', () => {})
    emitter.on('status', ({ code, details, metadata }: StatusObject) => {
      resolve({ code, details, initial, trailing: metadata, messages: messages() })
    })
  })
}
