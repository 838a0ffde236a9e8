// Both ends of a stream: a service that answers piece by piece, and a client that hears each as it comes.
import { once } from 'node:events'
import { request as httpRequest } from 'node:http'
import { connect as connectHttp2, createServer as createHttp2Server } from 'node:http2'
import type { AddressInfo, Socket } from 'node:net'
import type { Readable, Writable } from 'node:stream'
import type { Test } from 'tap'
import { startUpstream } from '../support/upstream.js'

/** One request as the service has it. */
export interface Served {
  readonly path: string
  readonly upload: Readable
  /** Begins the answer. @param length what it says of it */
  open(type: string, length?: number): void
  readonly answer: Writable
  /** Breaks it off. */
  breakOff(): void
  readonly closed: Promise<void>
}

export interface Service {
  readonly url: string
  /** The next request that comes. */
  next(): Promise<Served>
}

/** A queue of what has come and of those who wait for it. */
class Arrivals {
  readonly #come: Served[] = []
  readonly #waiting: ((served: Served) => void)[] = []

  add(served: Served): void {
    const waiting = this.#waiting.shift()
    if (waiting === undefined) this.#come.push(served)
    else waiting(served)
  }

  next(): Promise<Served> {
    const come = this.#come.shift()
    return come === undefined ? new Promise((resolve) => this.#waiting.push(resolve)) : Promise.resolve(come)
  }
}

function closeOf(stream: Readable | Writable): Promise<void> {
  stream.on('error', () => {})
  return new Promise((resolve) => stream.once('close', () => resolve()))
}

export async function over1(t: Test): Promise<Service> {
  const arrivals = new Arrivals()
  const { url } = await startUpstream(t, (request, response) => {
    arrivals.add({
      path: request.url as string,
      upload: request,
      open: (type, length) => {
        response.writeHead(200, { 'content-type': type, ...(length && { 'content-length': length }) })
        response.flushHeaders()
      },
      answer: response,
      breakOff: () => request.socket.destroy(),
      closed: closeOf(response)
    })
  })
  return { url, next: () => arrivals.next() }
}

export async function over2(t: Test): Promise<Service> {
  const arrivals = new Arrivals()
  const server = createHttp2Server()
  const sockets = new Set<Socket>()
  server.on('connection', (socket: Socket) => {
    sockets.add(socket)
    socket.once('close', () => sockets.delete(socket))
  })
  server.on('stream', (stream, headers) => {
    arrivals.add({
      path: headers[':path'] as string,
      upload: stream,
      open: (type, length) =>
        stream.respond({ ':status': 200, 'content-type': type, ...(length && { 'content-length': length }) }),
      answer: stream,
      // `close` would send an empty last frame ahead of the reset.
      breakOff: () => void stream.destroy(new Error('broken off')),
      closed: closeOf(stream)
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, next: () => arrivals.next() }
}

/** One request as the client has it. */
export interface Asked {
  readonly upload: Writable
  /** Resolves with the answer's status, once its head is there. */
  readonly status: Promise<number>
  /** Resolves with all of the body so far, once it holds this. */
  until(text: string): Promise<string>
  /** How the answer ended. */
  readonly ended: Promise<'whole' | 'broken'>
  leave(): void
}

function heard(answer: Readable): Pick<Asked, 'until' | 'ended'> {
  let text = ''
  const looks = new Set<() => void>()
  answer.setEncoding('utf8').on('data', (chunk) => {
    text += chunk
    for (const look of looks) look()
  })
  const ended = new Promise<'whole' | 'broken'>((resolve) => {
    let whole = false
    answer.once('end', () => (whole = true))
    answer.on('error', () => {})
    answer.once('close', () => resolve(whole ? 'whole' : 'broken'))
  })
  const until = (part: string) =>
    new Promise<string>((resolve, reject) => {
      const look = () => {
        if (!text.includes(part)) return
        looks.delete(look)
        resolve(text)
      }
      looks.add(look)
      look()
      void ended.then(() =>
        reject(new Error(`${JSON.stringify(part)} did not come: ${JSON.stringify(text)}`))
      )
    })
  return { until, ended }
}

export type Ask = (url: string, path: string, method?: string) => Asked

const ask1: Ask = (url, path, method = 'GET') => {
  const { hostname, port } = new URL(url)
  const request = httpRequest({ host: hostname, port, path, method, agent: false })
  if (method === 'GET') request.end()
  else request.flushHeaders()
  const answer = new Promise<Readable & { statusCode?: number }>((resolve, reject) => {
    request.once('response', resolve)
    request.once('error', reject)
  })
  const body = answer.then(heard)
  const status = answer.then(({ statusCode = 0 }) => statusCode)
  const ended = body.then((heard) => heard.ended)
  // Of a client that leaves there is nothing to hear.
  for (const each of [status, ended]) each.catch(() => {})
  return {
    upload: request,
    status,
    until: async (text) => (await body).until(text),
    ended,
    leave: () => request.destroy()
  }
}

const ask2: Ask = (url, path, method = 'GET') => {
  const session = connectHttp2(url)
  session.on('error', () => {})
  const stream = session.request({ ':path': path, ':method': method }, { endStream: method === 'GET' })
  stream.once('close', () => session.close())
  const status = new Promise<number>((resolve, reject) => {
    stream.once('response', (headers) => resolve(Number(headers[':status'])))
    stream.once('error', reject)
  })
  status.catch(() => {})
  return { upload: stream, status, ...heard(stream), leave: () => stream.close(8) }
}

export const clients = { 'HTTP/1.1': ask1, 'HTTP/2': ask2 }
export const services = {
  'HTTP/1.1': { serve: over1, protocol: 'http' },
  'HTTP/2': { serve: over2, protocol: 'h2c' }
}

/** @throws when it takes 5 s */
export async function inTime<T>(promise: Promise<T>, what: string): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what} did not come in 5 s`)), 5_000)
  })
  return await Promise.race([promise, late]).finally(() => clearTimeout(timer))
}

/** Resolves with the ms that passed. @throws when it takes 5 s */
export async function within(promise: Promise<unknown>, what: string): Promise<number> {
  const begun = performance.now()
  await inTime(promise, what)
  return performance.now() - begun
}
