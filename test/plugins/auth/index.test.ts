import { createHash } from 'node:crypto'
import t, { type Test } from 'tap'
import { type Exchange, type PluginHooks, ProxyError, type SetupContext, z } from '../../../core/index.js'
import auth from '../../../plugins/auth/index.js'

const digestOf = (value: string | Buffer) => `sha256:${createHash('sha256').update(value).digest('hex')}`
const MOBILE = 'correct horse battery staple'
const PARTNER = 'é'.repeat(20)
const apiKeys = {
  mobile: digestOf(MOBILE),
  partner: digestOf(PARTNER),
  'batch.v2': digestOf('k'.repeat(1024)).toUpperCase().replace('SHA', 'sha')
}

/** Fields as a client sent them; names in any case. */
function call(config: object, fields: [string, string][]) {
  const parsed = auth.config?.parse(config)
  const hooks = auth.setup({ config: parsed } as SetupContext<NonNullable<typeof parsed>>) as Required<
    Pick<PluginHooks, 'request'>
  >
  let left = fields
  const values = new Map<string, unknown>()
  const same = (name: string) => (field: [string, string]) => field[0].toLowerCase() === name.toLowerCase()
  const exchange = {
    request: {
      headers: {
        get: (name: string) => {
          const found = left.filter(same(name))
          return found.length === 0 ? undefined : found.map(([, value]) => value).join(', ')
        },
        delete: (name: string) => {
          left = left.filter((field) => !same(name)(field))
        }
      }
    },
    set: (key: { name: string }, value: unknown) => values.set(key.name, value)
  } as unknown as Exchange
  let error: unknown
  let reply: unknown
  try {
    reply = hooks.request(exchange)
  } catch (thrown) {
    error = thrown
  }
  return { reply, error: error as ProxyError | undefined, identity: values.get('identity'), fields: left }
}

function refused(
  t: Test,
  result: ReturnType<typeof call>,
  code: string,
  status: number,
  message: string
): void {
  t.ok(ProxyError.is(result.error), message)
  t.match(result.error, { code, status })
  t.equal(result.identity, undefined, 'no one is let through')
}

t.test('a key lets its owner through', async (t) => {
  const sent: [string, string][] = [
    ['Accept', '*/*'],
    ['X-API-Key', MOBILE],
    ['x-trace', '1']
  ]
  const result = call({ apiKeys }, sent)
  t.equal(result.error, undefined)
  t.equal(result.reply, undefined)
  t.equal(result.identity, 'mobile', 'its name is there for later plugins')
  t.same(
    result.fields,
    [
      ['Accept', '*/*'],
      ['x-trace', '1']
    ],
    'the upstream sees everything but the key'
  )
})

t.test('each of several keys has its own name', async (t) => {
  const wire = Buffer.from(PARTNER, 'utf8').toString('latin1')
  t.equal(call({ apiKeys }, [['x-api-key', wire]]).identity, 'partner', 'bytes as the client sent them')
  t.equal(call({ apiKeys }, [['x-api-key', 'k'.repeat(1024)]]).identity, 'batch.v2', 'hex in capitals, 1 KiB')
})

t.test('without a key: 401 with a challenge', async (t) => {
  for (const fields of [[], [['x-api-key', '']], [['authorization', MOBILE]], [['x_api_key', MOBILE]]] as [
    string,
    string
  ][][]) {
    const result = call({ apiKeys }, fields)
    refused(t, result, 'UNAUTHENTICATED', 401, JSON.stringify(fields))
    t.same(result.error?.headers, { 'www-authenticate': 'ApiKey header="x-api-key"' })
  }
})

t.test('with a wrong key: 403', async (t) => {
  const wrong: [string, string][][] = [
    [['x-api-key', 'wrong']],
    [['x-api-key', MOBILE.slice(0, -1)]],
    [['x-api-key', `${MOBILE} `]],
    [['x-api-key', apiKeys.mobile]],
    [['x-api-key', 'k'.repeat(1025)]],
    [['x-api-key', 'k'.repeat(50_000)]],
    [
      ['x-api-key', MOBILE],
      ['X-Api-Key', MOBILE]
    ],
    [
      ['x-api-key', 'wrong'],
      ['x-api-key', MOBILE]
    ]
  ]
  for (const fields of wrong) {
    const result = call({ apiKeys }, fields)
    refused(t, result, 'FORBIDDEN', 403, `${fields.length} of ${fields[0]?.[1].slice(0, 30)}`)
    t.same(result.fields, [], 'and it is gone before anyone could log it')
    t.notMatch(result.error?.message, fields[0]?.[1], 'nor is it in the answer')
  }
})

t.test('a key over 1 KiB serves no one, though it be listed', async (t) => {
  const long = 'k'.repeat(1025)
  refused(
    t,
    call({ apiKeys: { long: digestOf(long) } }, [['x-api-key', long]]),
    'FORBIDDEN',
    403,
    '1,025 bytes'
  )
})

t.test('another header', async (t) => {
  const config = { apiKeys, header: 'X-Shop-Key' }
  t.equal(call(config, [['x-shop-key', MOBILE]]).identity, 'mobile')
  const result = call(config, [['x-api-key', MOBILE]])
  refused(t, result, 'UNAUTHENTICATED', 401, 'the usual header is no longer looked at')
  t.same(result.error?.headers, { 'www-authenticate': 'ApiKey header="x-shop-key"' })
})

t.test('the configuration', async (t) => {
  const issues = (config: unknown) => auth.config?.safeParse(config).error?.issues ?? []

  t.same(auth.config?.parse({ apiKeys }), { apiKeys, header: 'x-api-key', require: 'any' })
  t.match(issues({}), [{ path: [], message: /^missing: expected apiKeys, jwt or mtls/ }])
  t.notMatch(issues({ apiKeys: 'hunter2' })[0]?.message, 'hunter2')
  t.match(issues({ apiKeys: {} }), [{ path: ['apiKeys'], message: 'expected at least one key' }])
  t.match(issues({ apiKeys, heder: 'x' }), [{ code: 'unrecognized_keys' }])
  t.match(issues({ apiKeys, header: 'x api key' }), [{ path: ['header'], message: /not "x api key"/ }])

  const bare = apiKeys.mobile.slice('sha256:'.length)
  for (const plain of [
    'secret',
    123456,
    'sha256:secret',
    `sha1:${'a'.repeat(40)}`,
    bare,
    `${apiKeys.mobile}0`
  ]) {
    const found = issues({ apiKeys: { mobile: plain } })
    const wanted = { path: ['apiKeys', 'mobile'], message: /printf %s KEY \| sha256sum/ }
    t.match(found, [wanted], 'a key as it is is refused, and told how')
    t.notMatch(found[0]?.message, String(plain), 'without repeating it')
  }
  t.match(issues({ apiKeys: { mobile: digestOf('') } }), [{ message: /empty key/ }])
  t.match(issues({ apiKeys: { a: apiKeys.mobile, b: apiKeys.mobile } }), [
    { path: ['apiKeys', 'b'], message: 'the same key as a: it could have either name' }
  ])
  for (const name of ['', 'a b', 'a\nb', '_a', 'x'.repeat(65)]) {
    t.not(issues({ apiKeys: { [name]: apiKeys.mobile } }).length, 0, JSON.stringify(name))
  }
})

t.test('a hundred keys, each with its own name', async (t) => {
  const many = Array.from({ length: 100 }, (_, at) => `key ${at}`)
  const config = { apiKeys: Object.fromEntries(many.map((value, at) => [`name-${at}`, digestOf(value)])) }
  for (const [at, value] of many.entries())
    t.equal(call(config, [['x-api-key', value]]).identity, `name-${at}`)
  t.equal(call(config, [['x-api-key', 'key 100']]).identity, undefined)
})

t.test('what it says of itself', async (t) => {
  t.same(auth.places, ['top', 'route'])
  t.same(auth.provides, [{ name: 'identity' }, { name: 'claims' }])
  const schema = z.toJSONSchema(auth.config as z.ZodType, { io: 'input' })
  t.match(
    schema.properties?.apiKeys,
    { secret: true, description: String },
    'digests are masked where a configuration is shown'
  )
})
