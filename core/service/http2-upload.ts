import type { ClientHttp2Stream } from 'node:http2'
import type { Readable } from 'node:stream'

export interface UploadOwner {
  /** The body ended before its end. */
  uploadBroke(error: Error | null): void
}

const kUpload = Symbol('upload')

type Carrying<T> = T & { [kUpload]: Upload }

/** A body on its way to a stream, read as fast as the stream takes it. */
export class Upload {
  /** A byte was taken, which cannot be taken again. */
  started = false
  #ended = false
  readonly #body: Carrying<Readable>
  readonly #owner: UploadOwner
  #stream: Carrying<ClientHttp2Stream> | undefined = undefined

  constructor(body: Readable, owner: UploadOwner) {
    this.#body = body as Carrying<Readable>
    this.#owner = owner
    // It may fail while its request waits for a session.
    body.on('error', ignore)
  }

  /** Whether what is left of it can never come. */
  get broken(): boolean {
    const body = this.#body
    return body.destroyed && !body.readableEnded
  }

  get cause(): Error | null {
    return this.#body.errored
  }

  /** Sends it, or what has not been begun of it, to another stream. */
  to(stream: ClientHttp2Stream): void {
    const body = this.#body
    const before = this.#stream
    this.#stream = stream as Carrying<ClientHttp2Stream>
    this.#stream[kUpload] = this
    if (this.#ended) {
      stream.end()
      return
    }
    stream.on('drain', onDrain)
    if (before !== undefined) {
      body.resume()
      return
    }
    body[kUpload] = this
    body.on('data', onData)
    body.on('end', onEnd)
    body.on('close', onClose)
  }

  /** Until there is another stream. */
  hold(): void {
    this.#body.pause()
  }

  /** Nobody wants the rest. */
  drop(): void {
    if (!this.#ended) this.#body.destroy()
  }

  /** @internal */
  write(chunk: Buffer): boolean {
    this.started = true
    const stream = this.#stream as ClientHttp2Stream
    // Once it has been closed there is nobody to send to, and the owner hears of that.
    return stream.writable && stream.write(chunk)
  }

  /** @internal */
  end(): void {
    this.#ended = true
    this.#stream?.end()
  }

  /** @internal */
  drained(): void {
    this.#body.resume()
  }

  /** @internal */
  closed(): void {
    if (!this.#ended) this.#owner.uploadBroke(this.#body.errored)
  }
}

function ignore(): void {}

function onDrain(this: ClientHttp2Stream): void {
  ;(this as Carrying<ClientHttp2Stream>)[kUpload].drained()
}

function onData(this: Readable, chunk: Buffer): void {
  if (!(this as Carrying<Readable>)[kUpload].write(chunk)) this.pause()
}

function onEnd(this: Readable): void {
  ;(this as Carrying<Readable>)[kUpload].end()
}

function onClose(this: Readable): void {
  ;(this as Carrying<Readable>)[kUpload].closed()
}
