// Server-sent events, long polls and uploads in pieces: what is sent is there when it is sent, and for as long as it takes.
import { once } from 'node:events'
import { PassThrough } from 'node:stream'
import t, { type Test } from 'tap'
import { definePlugin } from '../../core/index.js'
import { startTestProxy } from '../support/proxy.js'
import { clients, inTime, over1, services, within } from './streaming-peers.js'

/** ms for which a route waits for an answer to begin; the streams here go on for longer. */
const TIMEOUT = 400

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
    await inTime(asked.until('some'), 'some')
    breaking.destroy(new Error('broken off'))
    t.equal(await inTime(asked.ended, 'the end'), 'broken')
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
        t.equal(await inTime(asked.status, 'the head'), 200, 'the head is there before any event')
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
        await inTime(asked.until('data: the last\n\n'), 'data: the last\n\n')
        t.equal(await inTime(asked.ended, 'the end'), 'whole', `${sent} events`)
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
        t.equal(await inTime(asked.ended, 'the end'), 'whole', type)
      }
    })

    t.test(`${way}: a client that leaves its events ends them at the service`, async (t) => {
      const { upstream, url, proxy } = await start(t)
      const asked = ask(url, '/events')
      const served = await upstream.next()
      served.open('text/event-stream')
      served.answer.write('data: one\n\n')
      await inTime(asked.until('one'), 'one')
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
      await inTime(asked.until('one'), 'one')
      served.breakOff()
      t.equal(await inTime(asked.ended, 'the end'), 'broken')

      const counted = ask(url, '/counted')
      const short = await upstream.next()
      short.open('text/plain', 1_000)
      short.answer.write('some')
      await inTime(counted.until('some'), 'some')
      short.breakOff()
      t.equal(await inTime(counted.ended, 'the end'), 'broken', 'nor an answer that says how long it is')
    })

    t.test(`${way}: events that pause for longer than idleTimeout allows are broken off`, async (t) => {
      const { upstream, url } = await start(t, { idleTimeout: 1_000 })
      const asked = ask(url, '/events')
      const served = await upstream.next()
      served.open('text/event-stream')
      served.answer.write('data: one\n\n')
      await inTime(asked.until('one'), 'one')
      const took = await within(asked.ended, 'the end')
      t.equal(await inTime(asked.ended, 'the end'), 'broken')
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
      t.equal(await inTime(asked.status, 'the head'), 200)
      t.equal(await inTime(asked.ended, 'the end'), 'whole')

      const late = ask(url, '/poll')
      const unanswered = await upstream.next()
      t.equal(await inTime(late.status, 'the head'), 504)
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
      t.equal(await inTime(asked.status, 'the head'), 200, 'the answer begins before the upload has ended')
      for (let i = 2; i <= 6; i++) {
        asked.upload.write(`piece ${i};`)
        await within(arrives(`piece ${i};`), `piece ${i}`)
        served.answer.write(`got ${i};`)
        await within(asked.until(`got ${i};`), `answer ${i}`)
      }
      asked.upload.end()
      await within(once(served.upload, 'end'), "the upload's end")
      served.answer.end()
      t.equal(await inTime(asked.ended, 'the end'), 'whole')
    })
  }
}
