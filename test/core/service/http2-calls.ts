// What goes into a connection and what is heard of it.
import type { Duplex } from 'node:stream'
import type { ProxyError } from '../../../core/errors.js'
import type {
  Call,
  Connection,
  UpstreamListener,
  UpstreamOptions,
  UpstreamRequest
} from '../../../core/service/connection.js'

export function options(url: string, over: Partial<UpstreamOptions> = {}): UpstreamOptions {
  return {
    url,
    protocol: 'h2c',
    tls: undefined,
    connectTimeout: 2_000,
    keepAlive: 4_000,
    idleTimeout: 60_000,
    maxConnections: 8,
    fastLane: true,
    ...over
  }
}

export function request(over: Partial<UpstreamRequest> = {}): UpstreamRequest {
  return {
    method: over.body == null ? 'GET' : 'POST',
    path: '/',
    headers: ['Host', 'shop.example'],
    body: null,
    trailers: undefined,
    acceptsTrailers: false,
    upgrade: undefined,
    idleTimeout: undefined,
    ...over
  }
}

/** One request, and all that its listener is told. */
export class Heard implements UpstreamListener {
  readonly call: Call
  readonly information_: [number, string[]][] = []
  status = 0
  headers: string[] = []
  final = false
  chunks: Buffer[] = []
  bytes = 0
  trailers: string[] | undefined
  error: ProxyError | undefined
  socket: Duplex | undefined
  /** Calls of the listener, by name. */
  readonly told: string[] = []
  /** `responded` and `data` answer with it. */
  open = true
  /** Its end, however it came. */
  readonly end: Promise<this>
  /** Its head, or its end. */
  readonly head: Promise<this>
  #ended!: (self: this) => void
  #headed!: (self: this) => void

  constructor(connection: Connection, over: Partial<UpstreamRequest> = {}, open = true) {
    this.open = open
    this.end = new Promise((resolve) => (this.#ended = resolve))
    this.head = new Promise((resolve) => (this.#headed = resolve))
    this.call = connection.send(request(over), this)
  }

  get body(): string {
    return Buffer.concat(this.chunks).toString()
  }

  value(name: string): string | undefined {
    const at = this.headers.indexOf(name)
    return at === -1 ? undefined : this.headers[at + 1]
  }

  information(status: number, headers: string[]): void {
    this.told.push('information')
    this.information_.push([status, headers])
  }

  responded(status: number, headers: string[], _statusText: string, final: boolean): boolean {
    this.told.push('responded')
    this.status = status
    this.headers = headers
    this.final = final
    this.#headed(this)
    return this.open
  }

  data(chunk: Buffer): boolean {
    this.told.push('data')
    this.chunks.push(chunk)
    this.bytes += chunk.length
    return this.open
  }

  ended(trailers: string[]): void {
    this.told.push('ended')
    this.trailers = trailers
    this.#ended(this)
  }

  failed(error: ProxyError): void {
    this.told.push('failed')
    this.error = error
    this.#headed(this)
    this.#ended(this)
  }

  upgraded(_headers: string[], socket: Duplex): void {
    this.told.push('upgraded')
    this.socket = socket
    this.#headed(this)
  }
}

/** Waits for what a timer or a socket brings about, at most 5 s. */
export async function until(holds: () => boolean, what = holds.toString()): Promise<void> {
  for (let i = 0; i < 1_000; i++) {
    if (holds()) return
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
  throw new Error(`never came: ${what}`)
}
