// Server-sent events, long polls and uploads in pieces: what is sent is there when it is sent, and for as long as it takes.
import { once } from 'node:events'
import { request as httpRequest } from 'node:http'
import { connect as connectHttp2, createServer as createHttp2Server } from 'node:http2'
import type { AddressInfo, Socket } from 'node:net'
import { PassThrough, type Readable, type Writable } from 'node:stream'
import t, { type Test } from 'tap'
import { definePlugin } from '../../core/index.js'
import { startTestProxy } from '../support/proxy.js'
import { startUpstream } from '../support/upstream.js'

/** One request as the service has it. */
interface Served {
  readonly path: string
  readonly upload: Readable
  /** Begins the answer. @param length what it says of it */
  open(type: string, length?: number): void
  readonly answer: Writable
  /** Breaks it off. */
  breakOff(): void
  readonly closed: Promise<void>
}

interface Service {
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

async function over1(t: Test): Promise<Service> {
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

async function over2(t: Test): Promise<Service> {
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
interface Asked {
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

type Ask = (url: string, path: string, method?: string) => Asked

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

const clients = { 'HTTP/1.1': ask1, 'HTTP/2': ask2 }
const services = {
  'HTTP/1.1': { serve: over1, protocol: 'http' },
  'HTTP/2': { serve: over2, protocol: 'h2c' }
}

/** ms for which a route waits for an answer to begin; the streams here go on for longer. */
const TIMEOUT = 400

/** Resolves with the ms that passed. @throws when it takes 5 s */
async function within<T>(promise: Promise<T>, what: string): Promise<number> {
  const begun = performance.now()
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what} did not come in 5 s`)), 5_000)
  })
  await Promise.race([promise, late]).finally(() => clearTimeout(timer))
  return performance.now() - begun
}

for (const [from, ask] of Object.entries(clients)) {
  t.test(`${from}: what a plugin streams and breaks off is not taken to have ended`, async (t) => {
    const upstream = await over1(t)
    const breaking = new PassThrough()
    const instead = definePlugin({
      name: 'instead',
      body: { response: 'stream' },
      setup: () => ({
        response: ({ body }) => {
          body.stream().resume()
          body.replace(breaking)
        }
      })
    })
    const proxy = await startTestProxy(t, { endpoints: [upstream.url], plugins: [instead] })
    const asked = ask(proxy.url(), '/')
    const served = await upstream.next()
    served.open('text/plain', 4)
    served.answer.end('full')
    breaking.write('some')
    await asked.until('some')
    breaking.destroy(new Error('broken off'))
    t.equal(await asked.ended, 'broken')
  })

  for (const [to, { serve, protocol }] of Object.entries(services)) {
    const way = `${from} to ${to}`
    // Plugins that look at every answer, and one that keeps requests in case it has to send them again.
    const plugins = ['metrics', { retry: { attempts: 2, on: ['5xx', 'connect-failure'] } }]
    const start = async (t: Test, service: Record<string, unknown> = {}) => {
      const upstream = await serve(t)
      const proxy = await startTestProxy(t, {
        endpoints: [upstream.url],
        service: { protocol, ...service },
        route: { timeout: TIMEOUT },
        plugins
      })
      return { upstream, proxy, url: proxy.url() }
    }

    t.test(
      `${way}: each event is there before the next is sent, and no time is up once they flow`,
      async (t) => {
        const { upstream, url, proxy } = await start(t)
        const asked = ask(url, '/events')
        const served = await upstream.next()
        served.open('text/event-stream')
        t.equal(await asked.status, 200, 'the head is there before any event')
        const begun = performance.now()
        let sent = 0
        while (sent < 10 || performance.now() - begun < 2.5 * TIMEOUT) {
          sent++
          served.answer.write(`id: ${sent}\ndata: event ${sent}\n\n`)
          await within(asked.until(`data: event ${sent}\n\n`), `event ${sent}`)
          // Some in a row, then a pause: neither is to make a difference.
          if (sent % 5 === 0) await new Promise((resolve) => setTimeout(resolve, TIMEOUT / 2))
        }
        served.answer.end('data: the last\n\n')
        await asked.until('data: the last\n\n')
        t.equal(await asked.ended, 'whole', `${sent} events`)
        t.equal(proxy.proxy.inFlight, 0)
      }
    )

    t.test(`${way}: a single byte of anything is passed on, whatever its type`, async (t) => {
      const { upstream, url } = await start(t)
      for (const type of ['text/plain', 'application/json', 'application/octet-stream']) {
        const asked = ask(url, '/drip')
        const served = await upstream.next()
        served.open(type)
        for (const byte of 'drip') {
          served.answer.write(byte)
          await within(asked.until('drip'.slice(0, 'drip'.indexOf(byte) + 1)), `${byte} of ${type}`)
        }
        served.answer.end()
        t.equal(await asked.ended, 'whole', type)
      }
    })

    t.test(`${way}: a client that leaves its events ends them at the service`, async (t) => {
      const { upstream, url, proxy } = await start(t)
      const asked = ask(url, '/events')
      const served = await upstream.next()
      served.open('text/event-stream')
      served.answer.write('data: one\n\n')
      await asked.until('one')
      asked.leave()
      const took = await within(served.closed, "the service's end")
      t.ok(took < 500, `${Math.round(took)} ms`)
      t.equal(proxy.proxy.inFlight, 0)
    })

    t.test(`${way}: a service that breaks its events off is not taken to have ended them`, async (t) => {
      const { upstream, url } = await start(t)
      const asked = ask(url, '/events')
      const served = await upstream.next()
      served.open('text/event-stream')
      served.answer.write('data: one\n\n')
      await asked.until('one')
      served.breakOff()
      t.equal(await asked.ended, 'broken')

      const counted = ask(url, '/counted')
      const short = await upstream.next()
      short.open('text/plain', 1_000)
      short.answer.write('some')
      await counted.until('some')
      short.breakOff()
      t.equal(await counted.ended, 'broken', 'nor an answer that says how long it is')
    })

    t.test(`${way}: events that pause for longer than idleTimeout allows are broken off`, async (t) => {
      const { upstream, url } = await start(t, { idleTimeout: 1_000 })
      const asked = ask(url, '/events')
      const served = await upstream.next()
      served.open('text/event-stream')
      served.answer.write('data: one\n\n')
      await asked.until('one')
      const took = await within(asked.ended, 'the end')
      t.equal(await asked.ended, 'broken')
      t.ok(took > 500, `not at once: ${Math.round(took)} ms`)
      await within(served.closed, "the service's end")
    })

    t.test(`${way}: a long poll waits within its route's time, and no longer`, async (t) => {
      const { upstream, url } = await start(t)
      const asked = ask(url, '/poll')
      const served = await upstream.next()
      await new Promise((resolve) => setTimeout(resolve, TIMEOUT / 4))
      served.open('application/json')
      served.answer.end('{}')
      t.equal(await asked.status, 200)
      t.equal(await asked.ended, 'whole')

      const late = ask(url, '/poll')
      const unanswered = await upstream.next()
      t.equal(await late.status, 504)
      await within(unanswered.closed, "the service's end")

      const left = ask(url, '/poll')
      const abandoned = await upstream.next()
      left.leave()
      const took = await within(abandoned.closed, "the service's end")
      t.ok(took < TIMEOUT, `a client that leaves is not waited for: ${Math.round(took)} ms`)
    })

    t.test(`${way}: an upload is passed on as it comes, while the answer flows`, async (t) => {
      const { upstream, url } = await start(t)
      const asked = ask(url, '/both', 'POST')
      asked.upload.write('piece 1;')
      const served = await upstream.next()
      let received = ''
      const waiting = new Set<() => void>()
      served.upload.setEncoding('utf8').on('data', (chunk) => {
        received += chunk
        for (const wake of waiting) wake()
      })
      const arrives = (text: string) =>
        new Promise<void>((resolve) => {
          const look = () => {
            if (received.includes(text)) resolve()
          }
          waiting.add(look)
          look()
        })
      await within(arrives('piece 1;'), 'the first piece')
      served.open('text/plain')
      t.equal(await asked.status, 200, 'the answer begins before the upload has ended')
      for (let i = 2; i <= 6; i++) {
        asked.upload.write(`piece ${i};`)
        await within(arrives(`piece ${i};`), `piece ${i}`)
        served.answer.write(`got ${i};`)
        await within(asked.until(`got ${i};`), `answer ${i}`)
      }
      asked.upload.end()
      await within(once(served.upload, 'end'), "the upload's end")
      served.answer.end()
      t.equal(await asked.ended, 'whole')
    })
  }
}
