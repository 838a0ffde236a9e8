// Who asked: what the service is told of it, and what plugins see. Each over HTTP/1.1 and HTTP/2.
import t from 'tap'
import { get, seenBy } from '../core/server/front-client.js'
import { CLAIMS, HOST, start, TRUSTED, versions } from './identity-proxy.js'

const UUID7 = /^[\da-f]{8}-[\da-f]{4}-7[\da-f]{3}-[89ab][\da-f]{3}-[\da-f]{12}$/

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
