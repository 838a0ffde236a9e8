// The fields that say which way a message came: Forwarded, Via, Server-Timing, and a plugin's own x-user.
import { createServer as createHttp2Server } from 'node:http2'
import type { AddressInfo } from 'node:net'
import t from 'tap'
import { definePlugin, Reply } from '../../core/index.js'
import { get, seenBy, type Way } from '../core/server/front-client.js'
import { AF, header2, ipv6Pair, line1 } from '../core/server/proxy-header.js'
import { startTestProxy } from '../support/proxy.js'
import type { RawResponse } from '../support/raw-client.js'
import { echo, startUpstream } from '../support/upstream.js'
import { parseForwarded } from './forwarded.js'
import { CLAIMS, HOST, start, TRUSTED, versions } from './identity-proxy.js'

t.test('Forwarded is what RFC 7239 says it is', async (t) => {
  const listener = { ...TRUSTED, forwarded: true, proxyProtocol: true }
  const { url } = await start(t, { listener })
  const named = line1('PROXY TCP4 203.0.113.7 10.0.0.1 56324 443')
  const named6 = header2({ family: AF.tcp6, body: ipv6Pair('20010db8000000000000000000000007', 1) })
  const itself = header2({ command: 0x20, family: AF.unspecified })
  for (const [version, ask] of Object.entries(versions)) {
    const forwarded = async (way: Omit<Way, 'url'>) => {
      const fields = seenBy(await ask({ url, ...way })).forwarded
      t.equal(fields?.length, 1, `${version}: one field`)
      return parseForwarded(fields?.[0] as string)
    }
    const host = HOST
    t.same(await forwarded({ first: named }), [{ for: '203.0.113.7', proto: 'http', host }], version)
    t.same(
      await forwarded({ first: named6 }),
      [{ for: '[2001:db8::7]', proto: 'http', host }],
      `${version}: IPv6 in brackets and quotes`
    )
    t.same(
      await forwarded({ first: named, fields: CLAIMS }),
      [{ for: '203.0.113.7', proto: 'http', host }],
      `${version}: what an untrusted client says is replaced`
    )
    t.same(
      await forwarded({ first: itself, fields: ['Forwarded: for="[2001:db8::9]:4711";by=_us, for=1.2.3.4'] }),
      [
        { for: '[2001:db8::9]:4711', by: '_us' },
        { for: '1.2.3.4' },
        { for: '127.0.0.1', proto: 'http', host }
      ],
      `${version}: what a trusted one says stands before ours`
    )
    t.same(
      await forwarded({ first: itself, fields: ['Forwarded: for=1.1.1.1', 'Forwarded: for=2.2.2.2'] }),
      [{ for: '1.1.1.1' }, { for: '2.2.2.2' }, { for: '127.0.0.1', proto: 'http', host }],
      `${version}: several fields are one list`
    )
  }
})

t.test('Forwarded with whatever may stand in a Host', async (t) => {
  const { url } = await start(t, { listener: { forwarded: true } })
  for (const host of ["o'brien.example:8080", '[::1]:80', "a!$&'()*+,;=b", 'sub_domain.example']) {
    const answer = await get({ url, host })
    const [field = ''] = seenBy(answer).forwarded ?? []
    t.same(parseForwarded(field), [{ for: '127.0.0.1', proto: 'http', host }], field)
  }
})

t.test('Via says the protocol that came in, both ways and behind what is there', async (t) => {
  const upstream = await startUpstream(t, (request, response) => {
    if (request.url === '/twice') response.setHeader('via', '1.0 fred')
    void echo(request, response)
  })
  const h2c = createHttp2Server((request, response) => response.end(JSON.stringify(request.rawHeaders)))
  await new Promise<void>((resolve) => h2c.listen(0, '127.0.0.1', resolve))
  t.teardown(() => h2c.close())
  const setup = (endpoint: string, via: unknown, protocol = 'http') =>
    startTestProxy(t, {
      endpoints: [endpoint],
      service: { protocol },
      config: { listeners: { in: { address: '127.0.0.1:0', via } } }
    })
  const proxy = await setup(upstream.url, true)
  const viaOf = ({ fields }: RawResponse) =>
    fields.filter((field) => /^via:/i.test(field)).map((field) => field.slice(5))
  for (const [version, ask] of Object.entries(versions)) {
    const received = version === 'HTTP/2' ? '2' : '1.1'
    const answer = await ask({ url: proxy.url() })
    t.same(seenBy(answer).via, [`${received} outrigger`], version)
    t.same(viaOf(answer), ['1.1 outrigger'], `${version}: the service spoke HTTP/1.1`)
    const passed = seenBy(await ask({ url: proxy.url(), fields: ['Via: 1.1 edge (nginx)'] }))
    t.same(passed.via?.join(', '), `1.1 edge (nginx), ${received} outrigger`, version)
    const named = await setup(upstream.url, 'sidecar-7')
    t.same(seenBy(await ask({ url: named.url() })).via, [`${received} sidecar-7`], `${version}: its name`)
    const off = await ask({ url: (await setup(upstream.url, false)).url() })
    t.same([seenBy(off).via, viaOf(off)], [undefined, []], `${version}: off`)
    const over2 = await setup(`http://127.0.0.1:${(h2c.address() as AddressInfo).port}`, true, 'h2c')
    t.same(viaOf(await ask({ url: over2.url() })), ['2 outrigger'], `${version}: the service spoke HTTP/2`)
    await over2.close()
  }
  const old = await get({ url: proxy.url(), path: '/twice' })
  t.same(viaOf(old), ['1.0 fred', '1.1 outrigger'], 'behind what the service sent')
})

t.test('Server-Timing, on what the service answers and on what the proxy does', async (t) => {
  const local = definePlugin({
    name: 'local',
    setup: () => ({
      request: ({ request }) => (request.headers.has('x-local') ? new Reply(200, {}) : undefined)
    })
  })
  const { url } = await start(t, { listener: { serverTiming: true }, plugins: [local] })
  const off = await start(t)
  const timing = ({ fields }: RawResponse) =>
    fields.filter((field) => /^server-timing:/i.test(field)).map((field) => field.slice(15))
  for (const [version, ask] of Object.entries(versions)) {
    for (const fields of [[], ['x-local: 1']]) {
      const [field = '', ...more] = timing(await ask({ url, fields }))
      t.match(field, /^upstream;dur=\d+\.\d, outrigger;dur=\d+\.\d$/, `${version} ${fields}`)
      t.same(more, [], 'once')
      if (fields.length > 0) t.match(field, /^upstream;dur=0\.0,/, `${version}: no service had a part in it`)
    }
    t.same(timing(await ask({ url: off.url })), [], `${version}: off`)
  }
})

t.test(
  'a plugin that sets or deletes x-user rids the request of those that services take for it',
  async (t) => {
    const auth = definePlugin({
      name: 'user',
      setup: () => ({
        request: ({ request: { headers } }) => {
          if (headers.has('x-anonymous')) headers.delete('x-user')
          else headers.set('x-user', 'alice')
        }
      })
    })
    const { url } = await start(t, { plugins: [auth] })
    const fields = [
      'x_user: root',
      'X.User: root',
      'X-User: root',
      'x-User: root',
      'X_USER: root',
      'x-users: kept'
    ]
    for (const [version, ask] of Object.entries(versions)) {
      const users = async (more: string[]) => {
        const answer = await ask({ url, fields: [...fields, ...more] })
        return Object.entries(seenBy(answer)).filter(([name]) => /^x.users?$/.test(name))
      }
      t.same(
        await users([]),
        [
          ['x-user', ['alice']],
          ['x-users', ['kept']]
        ],
        `${version}: set`
      )
      t.same(await users(['x-anonymous: 1']), [['x-users', ['kept']]], `${version}: deleted`)
    }
  }
)
