import type { Duplex } from 'node:stream'
import { ProxyError } from '../errors.js'
import { Fields } from '../exchange/fields.js'
import type { Clock } from '../hooks/clock.js'
import type { FetchInit, FetchResult } from '../hooks/plugin.js'
import type { UpstreamListener } from '../service/connection.js'
import { EndpointState } from '../service/endpoint.js'
import type { Service } from '../service/service.js'

const TIMEOUT = 5_000
const MAX_BYTES = 1024 * 1024

/**
 * A plugin's own request to a service. It passes no pipeline and is not counted as in flight: a probe must not look
 * like load.
 *
 * @throws ProxyError as an attempt fails, NO_ENDPOINT, RESPONSE_TIMEOUT, BAD_UPSTREAM_RESPONSE past `maxBytes`
 */
export function fetchFrom(
  service: Service,
  clock: Clock,
  path: string,
  init: FetchInit
): Promise<FetchResult> {
  const endpoint = init.endpoint ?? service.balance.pick(service.usable())
  if (!(endpoint instanceof EndpointState)) {
    return Promise.reject(
      new ProxyError('NO_ENDPOINT', `service ${service.name} has no endpoint that can be used`)
    )
  }
  const headers = new Fields([])
  for (const [name, value] of fieldsOf(init.headers ?? {})) headers.append(name, value)
  if (!headers.has('host')) headers.set('host', hostOf(endpoint.url))
  const body = init.body === undefined ? null : Buffer.from(init.body as string)
  if (body !== null) headers.put('content-length', String(body.length))
  return new Promise((resolve, reject) => {
    if (init.signal?.aborted) {
      reject(init.signal.reason)
      return
    }
    const collected = new Collected(init.maxBytes ?? MAX_BYTES, init.discard ?? false)
    const end = (finish: () => void) => {
      timer.cancel()
      init.signal?.removeEventListener('abort', onAbort)
      finish()
    }
    collected.done = (result) => end(() => resolve(result))
    collected.failed = (error) => end(() => reject(error))
    const timer = clock.setTimeout(() => {
      call.cancel()
      collected.failed(new ProxyError('RESPONSE_TIMEOUT', 'the service did not answer in time'))
    }, init.timeout ?? TIMEOUT)
    const onAbort = () => {
      call.cancel()
      end(() => reject(init.signal?.reason))
    }
    init.signal?.addEventListener('abort', onAbort, { once: true })
    const call = endpoint.upstream.send(
      {
        method: init.method ?? 'GET',
        path,
        headers: headers.flat,
        body,
        trailers: undefined,
        acceptsTrailers: true,
        upgrade: undefined,
        idleTimeout: undefined
      },
      collected
    )
    collected.cancel = () => call.cancel()
  })
}

class Collected implements UpstreamListener {
  done: (result: FetchResult) => void = () => {}
  failed: (error: ProxyError) => void = () => {}
  cancel: () => void = () => {}
  readonly #maxBytes: number
  readonly #discard: boolean
  readonly #chunks: Buffer[] = []
  #size = 0
  #status = 0
  #headers = new Fields([])

  constructor(maxBytes: number, discard: boolean) {
    this.#maxBytes = maxBytes
    this.#discard = discard
  }

  information(): void {}

  responded(status: number, headers: string[]): boolean {
    this.#status = status
    this.#headers = new Fields(headers)
    return true
  }

  data(chunk: Buffer): boolean {
    this.#size += chunk.length
    if (this.#size > this.#maxBytes) {
      this.cancel()
      this.failed(
        new ProxyError('BAD_UPSTREAM_RESPONSE', `the response is larger than ${this.#maxBytes} bytes`)
      )
    } else if (!this.#discard) {
      this.#chunks.push(chunk)
    }
    return true
  }

  upgraded(_headers: string[], socket: Duplex): void {
    socket.destroy()
    this.failed(new ProxyError('BAD_UPSTREAM_RESPONSE', 'the service changed protocols without being asked'))
  }

  ended(trailers: string[]): void {
    const body = Buffer.concat(this.#chunks)
    this.done({ status: this.#status, headers: this.#headers, body, trailers: new Fields(trailers) })
  }
}

function fieldsOf(headers: NonNullable<FetchInit['headers']>): Iterable<readonly [string, string]> {
  return Symbol.iterator in headers
    ? (headers as Iterable<readonly [string, string]>)
    : Object.entries(headers as Record<string, string>)
}

function hostOf(url: string): string {
  return url.startsWith('unix:') ? 'localhost' : new URL(url).host
}
