// What a plugin does to a message cannot break its framing.
import t from 'tap'
import { definePlugin, type HeaderList, Reply } from '../../core/index.js'
import { startTestProxy } from '../support/proxy.js'
import { parseResponse, RawClient } from '../support/raw-client.js'
import { echo, startUpstream } from '../support/upstream.js'

const NAMES = ['content-length', 'Transfer-Encoding', 'connection', 'keep-alive', 'te', 'trailer', 'upgrade']

async function get(
  url: string,
  path: string
): Promise<{ text: string; response: ReturnType<typeof parseResponse> }> {
  const client = await RawClient.connect(url)
  client.write(`GET ${path} HTTP/1.1\r\nhost: a\r\n\r\n`)
  const text = await client.until((text) => parseResponse(text) !== undefined, 'a response')
  client.destroy()
  return { text, response: parseResponse(text) }
}

t.test('framing fields are not for a plugin to set, on either side', async (t) => {
  const meddle = definePlugin({
    name: 'meddle',
    setup() {
      const change = (headers: HeaderList, path: string, side: string) => {
        const [, where, how, name = ''] = path.split('/')
        if (where !== side) return
        if (how === 'set') headers.set(name, '5')
        else headers.append(name, '5')
      }
      return {
        request: ({ request }) => change(request.headers, request.path, 'request'),
        attempt: ({ headers }, { request }) => change(headers, request.path, 'attempt'),
        response: ({ headers, local }, { request }) => {
          if (!local) change(headers, request.path, 'response')
        }
      }
    }
  })
  const upstream = await startUpstream(t, echo)
  const proxy = await startTestProxy(t, { endpoints: [upstream.url], plugins: [meddle] })
  for (const side of ['request', 'attempt', 'response']) {
    for (const how of ['set', 'append']) {
      for (const name of NAMES) {
        const { response } = await get(proxy.url(), `/${side}/${how}/${name}`)
        t.equal(response?.status, 500, `${side} ${how} ${name}`)
        t.match(response?.body, 'PLUGIN_FAILED')
      }
    }
  }
  const failures = proxy.log.filter(({ message }) => message.startsWith('plugin meddle failed in'))
  t.equal(failures.length, 3 * 2 * NAMES.length, 'each is logged with plugin and hook')
})

t.test('a Reply with framing fields is its plugin’s failure', async (t) => {
  const reply = definePlugin({
    name: 'reply',
    setup: () => ({ request: () => new Reply(200, 'hello', { 'transfer-encoding': 'chunked' }) })
  })
  const proxy = await startTestProxy(t, { endpoints: ['http://127.0.0.1:1'], plugins: [reply] })
  const { response } = await get(proxy.url(), '/')
  t.equal(response?.status, 500)
})

t.test('a status that has no body goes out without one, and without a length', async (t) => {
  const empty = definePlugin({
    name: 'empty',
    setup: () => ({
      response(response) {
        response.status = 204
      }
    })
  })
  const upstream = await startUpstream(t, (_request, response) => response.end('something'))
  const proxy = await startTestProxy(t, { endpoints: [upstream.url], plugins: [empty] })
  const client = await RawClient.connect(proxy.url())
  client.write('GET /1 HTTP/1.1\r\nhost: a\r\n\r\nGET /2 HTTP/1.1\r\nhost: a\r\n\r\n')
  const text = await client.until((text) => text.split('HTTP/1.1 204 No Content').length === 3, 'two answers')
  client.destroy()
  t.notMatch(text.toLowerCase(), 'content-length')
  t.notMatch(text, 'something')
})

t.test('why an endpoint cannot be reached is logged, once, and that it answers again', async (t) => {
  const upstream = await startUpstream(t, (_request, response) => response.end('ok'))
  const { url } = upstream
  const port = Number(new URL(url).port)
  await upstream.close()
  const proxy = await startTestProxy(t, { endpoints: [url] })
  for (let i = 0; i < 5; i++) t.equal((await fetch(proxy.url())).status, 502)
  const told = proxy.log.filter(({ level }) => level === 'warn')
  t.equal(told.length, 1)
  t.match(told[0], {
    message: /ECONNREFUSED.*nothing listens there/,
    fields: { endpoint: url, service: 'upstream' }
  })
  await new Promise<void>((resolve) => upstream.server.listen(port, '127.0.0.1', resolve))
  t.equal((await fetch(proxy.url())).status, 200)
  t.ok(proxy.log.some(({ level, message }) => level === 'info' && message.includes('answers again')))
})

t.test('what is no HTTP/1.1 request is refused in the proxy’s own words', async (t) => {
  const upstream = await startUpstream(t, echo)
  const proxy = await startTestProxy(t, { endpoints: [upstream.url] })
  const requests = {
    'no Host': 'GET / HTTP/1.1\r\n\r\n',
    'HTTP/1.0 with a transfer coding':
      'POST / HTTP/1.0\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n',
    CONNECT: 'CONNECT a:443 HTTP/1.1\r\nhost: a:443\r\n\r\n'
  }
  for (const [name, bytes] of Object.entries(requests)) {
    const client = await RawClient.connect(proxy.url())
    client.write(bytes)
    const text = await client.closed()
    t.match(text, /^HTTP\/1\.[01] 400 /, name)
    t.match(text.toLowerCase(), 'x-outrigger-error: bad_request', name)
  }
  t.equal(upstream.count, 0)
})
