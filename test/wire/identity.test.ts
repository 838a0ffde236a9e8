// Who asked: what the service is told of it, and what plugins see. Each over HTTP/1.1 and HTTP/2.
import { createServer as createHttp2Server } from 'node:http2'
import type { AddressInfo } from 'node:net'
import t, { type Test } from 'tap'
import { definePlugin, Reply } from '../../core/index.js'
import { get, get2, seenBy, type Way } from '../core/server/front-client.js'
import { AF, header2, ipv6Pair, line1 } from '../core/server/proxy-header.js'
import { startTestProxy } from '../support/proxy.js'
import type { RawResponse } from '../support/raw-client.js'
import { echo, startUpstream } from '../support/upstream.js'
import { parseForwarded } from './forwarded.js'

const UUID7 = /^[\da-f]{8}-[\da-f]{4}-7[\da-f]{3}-[89ab][\da-f]{3}-[\da-f]{12}$/
const versions = { 'HTTP/1.1': get, 'HTTP/2': get2 }
const HOST = 'shop.example'

interface Setup {
  listener?: Record<string, unknown>
  plugins?: readonly object[]
  route?: Record<string, unknown>
}

async function start(t: Test, { listener = {}, plugins = [], route = {} }: Setup = {}) {
  const addresses: string[] = []
  const ids: string[] = []
  const who = definePlugin({
    name: 'who',
    setup: () => ({
      request: ({ client, id }) => {
        addresses.push(client.address)
        ids.push(id)
      }
    })
  })
  const upstream = await startUpstream(t, echo)
  const proxy = await startTestProxy(t, {
    endpoints: [upstream.url],
    plugins: [who, ...plugins],
    route,
    config: { listeners: { in: { address: '127.0.0.1:0', ...listener } } }
  })
  return { url: proxy.url(), addresses, ids }
}

const TRUSTED = { trustedProxies: ['127.0.0.1', '10.0.0.0/8', 'fd00::/8'] }

/** As a client would claim to be somebody, and as some services would read it. */
const CLAIMS = [
  'X-Forwarded-For: 198.51.100.1',
  'X-Forwarded-Proto: https',
  'X-Forwarded-Host: evil.example',
  'Forwarded: for=198.51.100.1;proto=https;host=evil.example',
  'X-Request-Id: mine'
]
const LOOK_ALIKES = CLAIMS.flatMap((line) => {
  const [name = '', value] = line.split(/: (.*)/s)
  return name.includes('-')
    ? [`${name.replaceAll('-', '_')}: ${value}`, `${name.replaceAll('-', '.')}: ${value}`]
    : []
})

t.test('what an untrusted client says of who asked is replaced', async (t) => {
  const { url, addresses, ids } = await start(t)
  for (const [version, ask] of Object.entries(versions)) {
    for (const [what, fields] of Object.entries({
      claims: CLAIMS,
      twice: [...CLAIMS, ...CLAIMS],
      'look-alikes': LOOK_ALIKES,
      both: [...LOOK_ALIKES, ...CLAIMS, ...LOOK_ALIKES],
      nothing: []
    })) {
      // A client's HTTP/2 stack of Node's takes one x-forwarded-host; the raw one says what it likes.
      const sent = version === 'HTTP/2' && what === 'twice' ? CLAIMS : fields
      const answer = await ask({ url, fields: sent })
      const seen = seenBy(answer)
      const name = `${version}, ${what}`
      t.same(seen['x-forwarded-for'], ['127.0.0.1'], name)
      t.same(seen['x-forwarded-proto'], ['http'], name)
      t.same(seen['x-forwarded-host'], [HOST], name)
      t.equal(seen.forwarded, undefined, `${name}: Forwarded is sent where it is asked for`)
      t.equal(seen['x-request-id']?.length, 1, name)
      t.match(seen['x-request-id']?.[0], UUID7, name)
      t.notMatch(answer.body, /198\.51\.100\.1|evil\.example|mine/, `${name}: under no other name either`)
      t.ok(
        addresses.every((address) => address === '127.0.0.1'),
        name
      )
      t.ok(ids.includes(seen['x-request-id']?.[0] as string), `${name}: the id is the exchange's`)
    }
  }
})

t.test('what a trusted proxy says is kept, and ours stands behind it', async (t) => {
  const { url, addresses, ids } = await start(t, { listener: TRUSTED })
  for (const [version, ask] of Object.entries(versions)) {
    ids.length = addresses.length = 0
    const seen = seenBy(await ask({ url, fields: CLAIMS }))
    t.same(seen['x-forwarded-for'], ['198.51.100.1, 127.0.0.1'], version)
    t.same(seen['x-forwarded-proto'], ['https'], version)
    t.same(seen['x-forwarded-host'], ['evil.example'], version)
    t.same(seen.forwarded, ['for=198.51.100.1;proto=https;host=evil.example'], version)
    t.same(seen['x-request-id'], ['mine'], version)
    t.equal(ids[0], 'mine', `${version}: it is the exchange's`)
    t.equal(addresses[0], '198.51.100.1', version)
    const plain = seenBy(await ask({ url }))
    t.same(plain['x-forwarded-for'], ['127.0.0.1'], `${version}: that says nothing`)
    t.same(plain['x-forwarded-proto'], ['http'], version)
    t.same(plain['x-forwarded-host'], [HOST], version)
    t.match(plain['x-request-id']?.[0], UUID7, version)
  }
})

t.test("of a trusted proxy the look-alikes are not believed: they may be its own client's", async (t) => {
  const { url, addresses } = await start(t, { listener: TRUSTED })
  for (const [version, ask] of Object.entries(versions)) {
    addresses.length = 0
    const fields = ['X-Forwarded-For: 203.0.113.9', 'X-Request-Id: real', ...LOOK_ALIKES]
    const answer = await ask({ url, fields })
    const seen = seenBy(answer)
    t.same(seen['x-forwarded-for'], ['203.0.113.9, 127.0.0.1'], version)
    t.same(seen['x-request-id'], ['real'], version)
    t.equal(addresses[0], '203.0.113.9', version)
    t.notMatch(answer.body, /198\.51\.100\.1|evil\.example|mine/, version)
  }
})

t.test('the client is the rightmost address that is not trusted', async (t) => {
  const { url, addresses } = await start(t, { listener: TRUSTED })
  const cases: [fields: string[], client: string][] = [
    [['198.51.100.1'], '198.51.100.1'],
    [['198.51.100.1, 10.1.2.3'], '198.51.100.1'],
    [['1.1.1.1, 198.51.100.1, 10.1.2.3, 10.9.9.9'], '198.51.100.1'],
    [['1.1.1.1', '198.51.100.1, 10.1.2.3'], '198.51.100.1'],
    [['198.51.100.1', '10.1.2.3', '10.9.9.9'], '198.51.100.1'],
    [['10.1.2.3, 10.9.9.9'], '10.1.2.3'],
    [['2001:db8::7, fd00::1'], '2001:db8::7'],
    [['[2001:db8::7]:4711'], '2001:db8::7'],
    [['[2001:db8::7]'], '2001:db8::7'],
    [['"[2001:db8::7]:4711"'], '127.0.0.1'],
    [['198.51.100.1:4711, 10.1.2.3:80'], '198.51.100.1'],
    [['::ffff:198.51.100.1, ::ffff:10.1.2.3'], '198.51.100.1'],
    [['::FFFF:198.51.100.1'], '198.51.100.1'],
    [['fe80::7%eth0'], 'fe80::7'],
    [['198.51.100.1,10.1.2.3'], '198.51.100.1'],
    [['198.51.100.1\t,\t 10.1.2.3'], '198.51.100.1'],
    // Past what is no address nobody can tell: it is whoever is nearest.
    [['198.51.100.1, unknown'], '127.0.0.1'],
    [['198.51.100.1, unknown, 10.1.2.3'], '10.1.2.3'],
    [['198.51.100.1, , 10.1.2.3'], '10.1.2.3'],
    [['198.51.100.1,'], '127.0.0.1'],
    [[''], '127.0.0.1'],
    [['999.1.1.1'], '127.0.0.1'],
    [['1.1.1.1.1'], '127.0.0.1'],
    [['shop.example'], '127.0.0.1'],
    [['198.51.100.1:x'], '127.0.0.1'],
    [['[2001:db8::7'], '127.0.0.1'],
    [['[198.51.100.1]'], '198.51.100.1'],
    [['_hidden, 10.1.2.3'], '10.1.2.3'],
    [['x'.repeat(5_000)], '127.0.0.1'],
    [[Array.from({ length: 1_000 }, () => '10.1.2.3').join(',')], '10.1.2.3']
  ]
  for (const [version, ask] of Object.entries(versions)) {
    for (const [values, client] of cases) {
      addresses.length = 0
      const fields = values.map((value) => `X-Forwarded-For: ${value}`)
      const seen = seenBy(await ask({ url, fields }))
      const name = `${version}, ${values.join(' | ').slice(0, 60)}`
      t.equal(addresses[0], client, name)
      const chain = seen['x-forwarded-for']
      t.equal(chain?.length, 1, `${name}: one field`)
      t.ok(chain?.[0]?.endsWith('127.0.0.1'), `${name}: the peer is the last of it`)
    }
  }
})

t.test('x-request-id of a trusted proxy is kept where it is sane', async (t) => {
  const { url, ids } = await start(t, { listener: TRUSTED })
  const sane = [
    'a',
    '0'.repeat(128),
    'f81d4fae-7dec-11d0-a765-00a0c91e6bf6',
    'Root=1-5759e988;x/y+z==',
    '"q"'
  ]
  const other = ['', '0'.repeat(129), 'two words', 'tab\tbed', 'caf\xe9', ' ', 'x'.repeat(9_000)]
  for (const [version, ask] of Object.entries(versions)) {
    for (const id of [...sane, ...other]) {
      // Node's HTTP/2 client sends no bytes past ASCII as they are.
      if (version === 'HTTP/2' && id === 'caf\xe9') continue
      ids.length = 0
      const seen = seenBy(await ask({ url, fields: [`X-Request-Id: ${id}`] }))['x-request-id']
      const name = `${version}, ${JSON.stringify(id.slice(0, 40))}`
      if (sane.includes(id)) t.same(seen, [id], name)
      else t.match(seen?.[0], UUID7, name)
      t.equal(seen?.length, 1, name)
      t.equal(ids[0], seen?.[0], `${name}: one id for all`)
    }
  }
  const seen = seenBy(await get({ url, fields: ['X-Request-Id: one', 'X-Request-Id: two'] }))
  t.same(seen['x-request-id'], ['one'], 'the first of two')
})

t.test('ids that the proxy makes are UUIDv7, each another, later ones greater', async (t) => {
  const { url, ids } = await start(t)
  for (let i = 0; i < 20; i++) await get({ url })
  t.equal(new Set(ids).size, ids.length)
  t.ok(ids.every((id) => UUID7.test(id)))
  const times = ids.map((id) => Number.parseInt(id.replaceAll('-', '').slice(0, 12), 16))
  t.same(
    times,
    [...times].sort((a, b) => a - b)
  )
  t.ok(Math.abs((times.at(-1) as number) - Date.now()) < 10_000, 'they begin with the time')
})

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
