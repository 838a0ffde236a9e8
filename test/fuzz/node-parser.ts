// What Node's own parser, llhttp, makes of bytes. It has no public face: tests alone come near it.

/** One message, and what was read behind it. */
export interface Reading {
  /** `undefined`: an error, or not all there. */
  readonly message: Message | undefined
  /** The second one's target or status: the first ended where it was meant to. */
  readonly next: string | undefined
}

export interface Message {
  readonly method: string
  readonly target: string
  readonly status: number
  readonly statusText: string
  readonly fields: readonly string[]
  readonly body: string
  readonly trailers: readonly string[]
  readonly keepAlive: boolean
  readonly upgrade: boolean
  readonly version: string
}

interface Parser {
  initialize(type: number, resource: object, maxHeaderSize: number, lenient: number): void
  execute(bytes: Buffer): number | Error
  free(): void
  [callback: number]: unknown
}

interface Binding {
  readonly methods: readonly string[]
  readonly HTTPParser: (new () => Parser) & {
    readonly REQUEST: number
    readonly RESPONSE: number
    readonly kOnHeaders: number
    readonly kOnHeadersComplete: number
    readonly kOnBody: number
    readonly kOnMessageComplete: number
  }
}

type WithBinding = NodeJS.Process & { binding(name: string): Binding }

const { HTTPParser, methods } = (process as WithBinding).binding('http_parser')

/** `HEAD`: it has no body, whatever its fields say. */
export type Kind = 'request' | 'response' | 'head-response'

/** Reads messages one after the other until there is an error. */
export class NodeParser {
  readonly #parser = new HTTPParser()
  #fields: string[] = []
  #target = ''
  #body = ''
  #kind: Kind = 'request'
  #present: Message | undefined
  #messages: Message[] = []

  constructor() {
    const parser = this.#parser
    parser[HTTPParser.kOnHeaders] = (fields: string[], target: string) => {
      this.#fields.push(...fields)
      this.#target += target
    }
    parser[HTTPParser.kOnHeadersComplete] = (...seen: unknown[]) => this.#head(seen)
    parser[HTTPParser.kOnBody] = (bytes: Buffer) => {
      this.#body += bytes.toString('latin1')
    }
    parser[HTTPParser.kOnMessageComplete] = () => {
      this.#messages.push({ ...(this.#present as Message), body: this.#body, trailers: this.#fields })
      this.#fields = []
    }
  }

  read(text: string, kind: Kind): Reading {
    this.#kind = kind
    this.#fields = []
    this.#messages = []
    this.#target = this.#body = ''
    const type = kind === 'request' ? HTTPParser.REQUEST : HTTPParser.RESPONSE
    this.#parser.initialize(type, {}, 64 * 1024, 0)
    this.#parser.execute(Buffer.from(text, 'latin1'))
    const [message, next] = this.#messages
    return { message, next: next && (next.target || String(next.status)) }
  }

  #head(seen: unknown[]): number {
    const [major, minor, fields, method, target, status, statusText, upgrade, keepAlive] = seen as [
      number,
      number,
      string[] | undefined,
      number | undefined,
      string | undefined,
      number | undefined,
      string | undefined,
      boolean,
      boolean
    ]
    this.#present = {
      method: method === undefined ? '' : (methods[method] as string),
      target: this.#target + (target ?? ''),
      status: status ?? 0,
      statusText: statusText ?? '',
      fields: [...this.#fields, ...(fields ?? [])],
      body: '',
      trailers: [],
      keepAlive,
      upgrade,
      version: `${major}.${minor}`
    }
    this.#fields = []
    this.#target = this.#body = ''
    return this.#kind === 'head-response' ? 1 : 0
  }
}
