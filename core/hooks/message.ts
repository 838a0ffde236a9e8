import type { Running } from './instance.js'
import type { UpgradedMessage } from './types.js'

/** A message between the two sides, as the plugins before have left it. */
export class PassingMessage {
  readonly from: 'client' | 'upstream'
  data: Buffer
  binary: boolean
  /** Plugins behind the one that dropped it are not asked. */
  dropped = false
  /** The call that is waited for. */
  waiting: Running['waiting'] = undefined

  constructor(from: 'client' | 'upstream', data: Buffer, binary: boolean) {
    this.from = from
    this.data = data
    this.binary = binary
  }
}

/** The message in one plugin's hands. What it does counts once its function has answered. */
export class MessageView implements UpgradedMessage {
  readonly #message: PassingMessage
  #data: Buffer
  #binary: boolean
  #dropped = false

  constructor(message: PassingMessage) {
    this.#message = message
    this.#data = message.data
    this.#binary = message.binary
  }

  get from(): 'client' | 'upstream' {
    return this.#message.from
  }

  get binary(): boolean {
    return this.#binary
  }

  get data(): Buffer {
    return this.#data
  }

  text(): string {
    return this.#data.toString()
  }

  /** @throws TypeError on what is neither a string nor bytes */
  replace(data: string | Uint8Array): void {
    this.#data = bytesOf(data)
    this.#binary = typeof data !== 'string'
    this.#dropped = false
  }

  drop(): void {
    this.#dropped = true
  }

  /** @internal */
  keep(): void {
    const message = this.#message
    message.data = this.#data
    message.binary = this.#binary
    message.dropped = this.#dropped
  }
}

/** @throws TypeError on what is neither a string nor bytes */
export function bytesOf(data: string | Uint8Array): Buffer {
  if (typeof data === 'string') return Buffer.from(data)
  if (data instanceof Uint8Array) return Buffer.from(data.buffer, data.byteOffset, data.byteLength)
  throw new TypeError(`a message is a string or bytes, not ${data === null ? 'null' : typeof data}`)
}
