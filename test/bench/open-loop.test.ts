// The generator that does not wait for its answers, against a service that stands still for a while.
import { createServer, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import t, { type Test } from 'tap'
import { pace } from '../../bench/load/open-loop.js'

async function serve(t: Test, answer: (response: ServerResponse, count: number) => void): Promise<string> {
  let count = 0
  const server: Server = createServer((_request, response) => answer(response, ++count))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => {
    server.closeAllConnections()
    return new Promise((resolve) => server.close(resolve))
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/`
}

t.test('asks at its pace, warm-up left out', async (t) => {
  let asked = 0
  const url = await serve(t, (response) => {
    asked++
    response.end('ok')
  })
  const { requests, failed, latency, lateness } = await pace(url, { rate: 100, seconds: 1, warmUp: 0.5 })
  t.equal(requests, 100)
  t.equal(failed, 0)
  t.equal(asked, 150)
  t.ok(latency.p50 > 0 && latency.p50 <= latency.p99 && latency.p99 <= latency.max)
  t.ok(lateness.p50 >= 0)
})

t.test('an answer that is late counts for every request that was due meanwhile', async (t) => {
  const held: ServerResponse[] = []
  // From the 20th on nobody is answered until 40 have asked: twenty wait, the first of them for 400 ms.
  const url = await serve(t, (response, count) => {
    if (count < 20 || count > 40) {
      response.end('ok')
      return
    }
    held.push(response)
    if (count === 40) for (const each of held) each.end('ok')
  })
  const { failed, latency, answer } = await pace(url, { rate: 50, seconds: 1, connections: 32 })
  t.equal(failed, 0)
  t.ok(latency.max >= 390, `${latency.max} ms`)
  t.ok(latency.mean >= 60, `${latency.mean} ms: all of them waited, and not one alone`)
  t.ok(answer.max <= latency.max)
})

t.test('with no connection free a request waits, and its time counts', async (t) => {
  const url = await serve(t, (response) => setTimeout(() => response.end('ok'), 50))
  // One at a time takes 50 ms; one is due every 20 ms.
  const { requests, failed, latency } = await pace(url, { rate: 50, seconds: 0.5, connections: 1 })
  t.equal(requests, 25)
  t.equal(failed, 0)
  t.ok(latency.max >= 25 * 50 - 24 * 20 - 20, `${latency.max} ms`)
})

t.test('what is not answered with 200, and what is broken off, has failed', async (t) => {
  const url = await serve(t, (response, count) => {
    if (count % 5 === 0) response.writeHead(503).end()
    else if (count % 5 === 1) response.destroy()
    else response.end('ok')
  })
  const { requests, failed } = await pace(url, { rate: 50, seconds: 1 })
  t.equal(requests, 50)
  t.ok(failed >= 15 && failed <= 25, `${failed} of 50`)
})
