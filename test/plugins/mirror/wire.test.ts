import { Agent, request as send } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { startTestProxy } from '../../support/proxy.js'
import { bodyOf, closedPort, startRawUpstream, startUpstream } from '../../support/upstream.js'

const MIRROR = { percent: 100, maxConcurrent: 8, timeout: '3s' }
/** Requests of one measurement, and how many of them are under way at once. */
const REQUESTS = 300
const AT_ONCE = 6

interface Measured {
  /** ms, in order of length. */
  times: number[]
  wrong: number
}

/** Posts, one behind the other on each of `AT_ONCE` connections. */
async function load(url: string): Promise<Measured> {
  const agent = new Agent({ keepAlive: true, maxSockets: AT_ONCE })
  const measured: Measured = { times: [], wrong: 0 }
  const body = JSON.stringify({ apples: 2 })
  let left = REQUESTS
  const post = () =>
    new Promise<void>((resolve) => {
      const startedAt = performance.now()
      const failed = () => {
        measured.wrong++
        resolve()
      }
      const outgoing = send(
        url,
        { method: 'POST', agent, headers: { 'content-length': body.length } },
        (response) => {
          bodyOf(response).then((answer) => {
            measured.times.push(performance.now() - startedAt)
            if (response.statusCode !== 200 || answer.toString() !== `got ${body}`) measured.wrong++
            resolve()
          }, failed)
        }
      )
      outgoing.on('error', failed)
      outgoing.end(body)
    })
  await Promise.all(
    Array.from({ length: AT_ONCE }, async () => {
      while (left-- > 0) await post()
    })
  )
  agent.destroy()
  measured.times.sort((a, b) => a - b)
  return measured
}

/** A proxy before a service that tells what it got, with copies to `shadow`. */
async function shop(t: Test, shadow: string, config: object = {}) {
  const orders = await startUpstream(t, async (request, response) => {
    response.end(`got ${await bodyOf(request)}`)
  })
  const started = await startTestProxy(t, {
    endpoints: [orders.url],
    plugins: [{ mirror: { service: 'shadow', ...MIRROR, ...config } }],
    config: {
      services: { upstream: { endpoints: [orders.url] }, shadow: { endpoints: [shadow] } }
    }
  })
  const results = async () => {
    const { text } = await started.proxy.metrics()
    const found = text.matchAll(/outrigger_mirrored_total\{service="shadow",result="([^"]+)"\} (\d+)/g)
    return Object.fromEntries([...found].map(([, result, count]) => [result as string, Number(count)]))
  }
  return { started, orders, results }
}

/** Until the copies are over. */
async function settled(results: () => Promise<Record<string, number>>): Promise<Record<string, number>> {
  for (let i = 0; i < 500; i++) {
    const counted = await results()
    if (Object.values(counted).reduce((sum, count) => sum + count, 0) >= REQUESTS) return counted
    await sleep(20)
  }
  return results()
}

/** The original is what it would be without a mirror: every answer right, and none as late as a copy is. */
function unharmed(t: Test, { times, wrong }: Measured): void {
  t.equal(wrong, 0, 'every answer is right')
  t.equal(times.length, REQUESTS)
  const [median, last] = [times[REQUESTS / 2] as number, times.at(-1) as number]
  t.comment(`median ${median.toFixed(1)} ms, longest ${last.toFixed(1)} ms`)
  t.ok(median < 500, 'half of them in less than 500 ms')
  // A copy that is waited for takes its whole 3 s.
  t.ok(last < 2_500, `none waits for its copy: ${last.toFixed()} ms`)
}

t.test('a mirror that answers gets them all', async (t) => {
  const bodies: string[] = []
  const shadow = await startUpstream(t, async (request, response) => {
    bodies.push((await bodyOf(request)).toString())
    response.writeHead(500, { 'x-shadow': '1' }).end('not for the client')
  })
  const { started, results } = await shop(t, shadow.url, { maxConcurrent: 1_000 })
  unharmed(t, await load(started.url()))
  t.same(await settled(results), { '5xx': REQUESTS, ok: 0, failed: 0, timeout: 0, dropped: 0, body: 0 })
  t.equal(bodies.length, REQUESTS)
  t.ok(bodies.every((body) => body === '{"apples":2}'))
})

t.test('a mirror that hangs', async (t) => {
  let most = 0
  const shadow = await startRawUpstream(t, (socket) => {
    // Read, or its end would not be seen.
    socket.resume()
    most = Math.max(most, shadow.sockets.size)
  })
  const { started, results } = await shop(t, shadow.url)
  unharmed(t, await load(started.url()))
  const counted = await settled(results)
  // One that was given up may still be closing as the next one comes.
  t.ok(most <= 16, `${most} copies at once`)
  t.ok((counted.dropped ?? 0) > 0, JSON.stringify(counted))
  t.equal((counted.dropped ?? 0) + (counted.timeout ?? 0), REQUESTS)
})

t.test('a mirror that refuses', async (t) => {
  const { started, results } = await shop(t, `http://127.0.0.1:${await closedPort()}`)
  unharmed(t, await load(started.url()))
  const counted = await settled(results)
  t.equal((counted.failed ?? 0) + (counted.dropped ?? 0), REQUESTS)
  t.ok((counted.failed ?? 0) > 0)
  t.same(
    started.log.filter(({ level }) => level === 'error'),
    []
  )
})

t.test('a mirror that floods', async (t) => {
  const piece = Buffer.alloc(64 * 1024, 'x')
  let sent = 0
  const flooding = new Set<unknown>()
  const shadow = await startRawUpstream(t, (socket) => {
    socket.resume()
    socket.on('close', () => flooding.delete(socket))
    socket.once('data', () => {
      flooding.add(socket)
      socket.write('HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n')
      const flood = () => {
        while (!socket.destroyed && socket.write(`10000\r\n${piece}\r\n`)) sent += piece.length
        sent += piece.length
        socket.once('drain', flood)
      }
      flood()
    })
  })
  const { started, results } = await shop(t, shadow.url)
  unharmed(t, await load(started.url()))
  const counted = await settled(results)
  t.ok((counted.failed ?? 0) > 0, JSON.stringify(counted))
  for (let i = 0; i < 200 && flooding.size > 0; i++) await sleep(10)
  t.equal(flooding.size, 0, 'each connection that it flooded was closed')
  t.ok(sent / (counted.failed as number) < 16 * 1024 * 1024, 'none of them for long')
})

t.test('a mirror that breaks off, or speaks no HTTP', async (t) => {
  const shadow = await startRawUpstream(t, (socket, index) => {
    socket.once('data', () => {
      if (index % 2 === 0) socket.destroy()
      else socket.end('what?\r\n\r\n')
    })
  })
  const { started, results } = await shop(t, shadow.url)
  unharmed(t, await load(started.url()))
  const counted = await settled(results)
  t.equal((counted.failed ?? 0) + (counted.dropped ?? 0), REQUESTS)
})

t.test('an upload larger than is kept goes through, without a copy', async (t) => {
  const shadow = await startUpstream(t, (_request, response) => response.end())
  const { started, orders, results } = await shop(t, shadow.url)
  const body = 'x'.repeat(1024 * 1024)
  const response = await fetch(started.url(), { method: 'POST', body })
  t.equal((await response.text()).length, body.length + 4)
  t.equal(orders.count, 1)
  t.match(await results(), { body: 1 })
  t.equal(shadow.count, 0)
})

t.test('copies under way end with the proxy', async (t) => {
  const shadow = await startRawUpstream(t, (socket) => socket.resume())
  const { started } = await shop(t, shadow.url, { timeout: '1m' })
  await (await fetch(started.url(), { method: 'POST', body: 'x' })).text()
  for (let i = 0; i < 200 && shadow.sockets.size === 0; i++) await sleep(10)
  t.equal(shadow.sockets.size, 1)
  const startedAt = performance.now()
  await started.close()
  for (let i = 0; i < 200 && shadow.sockets.size > 0; i++) await sleep(10)
  t.equal(shadow.sockets.size, 0)
  t.ok(performance.now() - startedAt < 30_000)
})
