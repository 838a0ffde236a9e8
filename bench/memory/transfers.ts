// A client that sends and takes bodies of any size, with nothing of them in its own memory.
import { request as httpRequest, type IncomingMessage } from 'node:http'
import { type ClientHttp2Stream, connect } from 'node:http2'
import { Readable } from 'node:stream'

/** What is spoken on both sides of the proxy. */
export type Way = 'http1' | 'http2'

const PIECE = Buffer.alloc(64 * 1024, 'x')

/** An answer that has begun. */
export interface Download {
  readonly body: Readable
  /** Leaves. */
  close(): void
}

/** @throws Error when it is not answered with 200 */
export function download(url: string, way: Way, bytes: number): Promise<Download> {
  return ask(url, way, `/download/${bytes}`, 'GET')
}

/** Takes all that comes. @returns how many bytes came @throws Error when it is broken off */
export async function take({ body }: Download): Promise<number> {
  let taken = 0
  for await (const chunk of body) taken += (chunk as Buffer).length
  return taken
}

/** Sends so many bytes. @returns how many the service says it got */
export async function upload(url: string, way: Way, bytes: number): Promise<number> {
  return Number(await text(await ask(url, way, '/upload', 'PUT', bytes)))
}

/** Bytes that the service has handed to its sockets since it was asked last. @param url its own */
export async function given(url: string): Promise<number> {
  return Number(await text(await ask(url, 'http1', '/given', 'GET')))
}

async function text({ body, close }: Download): Promise<string> {
  let all = ''
  for await (const chunk of body.setEncoding('utf8')) all += chunk
  close()
  return all
}

function ask(url: string, way: Way, path: string, method: string, bytes?: number): Promise<Download> {
  const headers: Record<string, string> = { 'x-to': way }
  if (bytes !== undefined) headers['content-length'] = String(bytes)
  return way === 'http1' ? ask1(url, path, method, headers, bytes) : ask2(url, path, method, headers, bytes)
}

function ask1(
  url: string,
  path: string,
  method: string,
  headers: Record<string, string>,
  bytes: number | undefined
): Promise<Download> {
  const { hostname, port } = new URL(url)
  return new Promise((resolve, reject) => {
    const request = httpRequest({ host: hostname, port, path, method, headers, agent: false })
    request.once('error', reject)
    request.once('response', (response: IncomingMessage) => {
      if (response.statusCode === 200) resolve({ body: response, close: () => request.destroy() })
      else reject(new Error(`answered ${response.statusCode}`))
    })
    if (bytes === undefined) request.end()
    else pieces(bytes).pipe(request)
  })
}

function ask2(
  url: string,
  path: string,
  method: string,
  headers: Record<string, string>,
  bytes: number | undefined
): Promise<Download> {
  return new Promise((resolve, reject) => {
    const session = connect(url, { settings: { initialWindowSize: 1 << 20 } })
    session.once('error', reject)
    const fields = { ...headers, ':path': path, ':method': method }
    const stream: ClientHttp2Stream = session.request(fields, { endStream: bytes === undefined })
    stream.once('error', reject)
    stream.once('response', ({ ':status': status }) => {
      if (status === 200) resolve({ body: stream, close: () => session.destroy() })
      else reject(new Error(`answered ${status}`))
    })
    stream.once('close', () => session.close())
    if (bytes !== undefined) pieces(bytes).pipe(stream)
  })
}

function pieces(bytes: number): Readable {
  let left = bytes
  return new Readable({
    highWaterMark: PIECE.length,
    read() {
      const piece = left < PIECE.length ? PIECE.subarray(0, left) : PIECE
      left -= piece.length
      this.push(piece.length === 0 ? null : piece)
    }
  })
}
