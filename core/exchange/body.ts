import { Readable } from 'node:stream'
import type { Running } from '../hooks/instance.js'
import type { Body } from '../hooks/types.js'

/** What `bytes()` may hold where a plugin's declaration gives no `maxBytes`. */
const DEFAULT_MAX_BYTES = 1024 * 1024

/** A body behind the declaration of whichever plugin asks: without one, asking is that plugin's failure. */
export abstract class DeclaredBody implements Body {
  readonly #side: 'request' | 'response'
  readonly #exchange: Running

  constructor(side: 'request' | 'response', exchange: Running) {
    this.#side = side
    this.#exchange = exchange
  }

  abstract get length(): number | undefined
  abstract kept(): Buffer | undefined
  protected abstract collect(maxBytes: number): Promise<Buffer>
  protected abstract take(): Readable
  protected abstract put(body: Buffer | Readable): void

  bytes(): Promise<Buffer> {
    try {
      return this.collect(this.#declared('buffer').maxBytes ?? DEFAULT_MAX_BYTES)
    } catch (error) {
      return Promise.reject(error)
    }
  }

  async text(): Promise<string> {
    return (await this.bytes()).toString('utf8')
  }

  async json<T>(): Promise<T> {
    return JSON.parse(await this.text()) as T
  }

  stream(): Readable {
    this.#declared('stream')
    return this.take()
  }

  replace(body: string | Uint8Array | Readable): void {
    this.#declared(undefined)
    if (typeof body === 'string') this.put(Buffer.from(body))
    else if (body instanceof Uint8Array) this.put(Buffer.from(body.buffer, body.byteOffset, body.byteLength))
    else if (body instanceof Readable) this.put(body)
    else throw new TypeError('a body is a string, bytes or a Readable')
  }

  #declared(mode: 'buffer' | 'stream' | undefined): { maxBytes?: number } {
    const caller = this.#exchange.caller
    const declaration = caller?.body
    const declared = declaration?.[this.#side]
    if (declaration === undefined || declared === undefined || (mode !== undefined && declared !== mode)) {
      throw new Error(
        `plugin ${caller?.name ?? '-'} touches the ${this.#side} body: it must declare body: { ${this.#side}: '${mode ?? 'buffer'}' }`
      )
    }
    return declaration
  }
}
