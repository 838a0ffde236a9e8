// What comes behind a request that is still being answered: on the fast lane, and on the path that it hands over to.
import { once } from 'node:events'
import t, { type Test } from 'tap'
import { definePlugin } from '../../../core/index.js'
import { startTestProxy } from '../../support/proxy.js'
import { RawClient } from '../../support/raw-client.js'
import { bodyOf, startUpstream } from '../../support/upstream.js'

const bothWays = (name: string, run: (t: Test, fastLane: boolean) => Promise<void>) => {
  for (const fastLane of [true, false])
    t.test(`${name} (${fastLane ? 'fast lane' : 'standard path'})`, (t) => run(t, fastLane))
}

const get = (path: string, fields = '') => `GET ${path} HTTP/1.1\r\nHost: a\r\n${fields}\r\n`

/** Until nothing more is taken from the client. */
async function stuffed(client: RawClient): Promise<void> {
  for (let before = -1; client.socket.writableLength !== before; ) {
    before = client.socket.writableLength
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
}

bothWays(
  'a chunked upload of megabytes behind a slow request arrives as it was sent',
  async (t, fastLane) => {
    const body = Buffer.from(
      Array.from({ length: 400_000 }, (_, at) => `${String(at).padStart(9, '0')}\n`).join('')
    )
    let answer: () => void = () => {}
    let uploaded: Buffer | undefined
    const upstream = await startUpstream(t, async (request, response) => {
      if (request.url === '/slow') {
        answer = () => response.end('[slow]')
        return
      }
      // Held back first, so that there is more than any buffer holds.
      request.once('data', () => {
        request.pause()
        setTimeout(() => request.resume(), 100)
      })
      uploaded = await bodyOf(request)
      response.end('[up]')
    })
    const proxy = await startTestProxy(t, { endpoints: [upstream.url], config: { fastLane } })
    const client = await RawClient.connect(proxy.url())
    const asked = once(upstream.server, 'request')
    client.write(get('/slow'))
    await asked
    client.write(
      `POST /up HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n${body.length.toString(16)}\r\n`
    )
    client.write(body).write('\r\n0\r\n\r\n')
    await stuffed(client)
    answer()
    await client.until((text) => text.includes('[up]'), 'both answers')
    t.ok(uploaded?.equals(body))
    client.destroy()
  }
)

bothWays('a body behind a slow request is no request, whatever it looks like', async (t, fastLane) => {
  const seen = new Map<string, number>()
  let answer: () => void = () => {}
  const upstream = await startUpstream(t, async (request, response) => {
    const path = request.url as string
    seen.set(path, (seen.get(path) ?? 0) + 1)
    if (path === '/slow') answer = () => response.end('[slow]')
    else {
      await bodyOf(request)
      response.end(`[${path}]`)
    }
  })
  const late = definePlugin({
    name: 'late',
    setup: () => ({
      request: async () => {
        await new Promise((resolve) => setTimeout(resolve, 50))
      }
    })
  })
  const proxy = await startTestProxy(t, { endpoints: [upstream.url], plugins: [late], config: { fastLane } })
  const client = await RawClient.connect(proxy.url())
  const asked = once(upstream.server, 'request')
  client.write(get('/slow'))
  await asked
  const body = get('/smuggled').repeat(5000)
  // A tab in a value is not in the lane's grammar.
  client.write(`POST /up HTTP/1.1\r\nHost: a\r\nY: a\tb\r\nContent-Length: ${body.length}\r\n\r\n${body}`)
  client.write(get('/after', 'Connection: close\r\n'))
  await stuffed(client)
  answer()
  const text = await client.closed()
  t.same(text.match(/\[[^\]]+\]/g), ['[slow]', '[/up]', '[/after]'])
  t.same(Object.fromEntries(seen), { '/slow': 1, '/up': 1, '/after': 1 })
})

// The standard path ends such a client.
t.test('what waits stays bounded while answers go out', async (t) => {
  const upstream = await startUpstream(t, (_request, response) => void response.end('[done]'))
  const proxy = await startTestProxy(t, { endpoints: [upstream.url], config: { fastLane: true } })
  const client = await RawClient.connect(proxy.url())
  const many = get('/x').repeat(10_000)
  const sent = 100 * many.length
  for (let at = 0; at < 100; at++) client.write(many)
  await client.until((text) => text.split('[done]').length > 1500, 'many answers')
  // Of what is taken, nearly all is in the buffers of the two sockets.
  const { socket } = client
  t.ok(
    sent - socket.writableLength < 8 * 1024 * 1024,
    `${sent - socket.writableLength} of ${sent} bytes were taken`
  )
  client.destroy()
})

for (const sent of [0, 200_000]) {
  bothWays(
    `a refused head with a body, ${sent} bytes of which come, ends its connection`,
    async (t, fastLane) => {
      const upstream = await startUpstream(t, (_request, response) => void response.end('[done]'))
      const proxy = await startTestProxy(t, { endpoints: [upstream.url], config: { fastLane } })
      const client = await RawClient.connect(proxy.url())
      const fields = Array.from({ length: 101 }, (_, at) => `x-${at}: 1\r\n`).join('')
      client.write(
        `POST / HTTP/1.1\r\nHost: a\r\n${fields}Content-Length: 1000000\r\n\r\n${'x'.repeat(sent)}`
      )
      await once(client.socket, 'close')
      if (sent === 0) t.match(client.text, /^HTTP\/1\.1 431 /)
      t.equal(upstream.count, 0)
      await proxy.close()
    }
  )
}
