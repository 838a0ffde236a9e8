import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Ajv } from 'ajv'
import t from 'tap'
import { parse } from 'yaml'
import { z } from 'zod'
import { configSchema } from '../../../core/config/json-schema.js'
import { definePlugin } from '../../../core/hooks/plugin.js'
import { host } from './fixtures/host.js'

async function validator(of = host) {
  const ajv = new Ajv({ strict: false, allErrors: true })
  const validate = ajv.compile(await configSchema(of))
  return (value: unknown): string[] =>
    validate(value) ? [] : (validate.errors ?? []).map(({ instancePath }) => instancePath)
}

const listeners = { a: { address: '127.0.0.1:0' } }

t.test('a whole configuration passes', async (t) => {
  const check = await validator()
  const text = readFileSync(join(import.meta.dirname, 'fixtures/shop.yaml'), 'utf8')
  // Braces of a reference in a flow map are YAML's own until `readYaml` has hidden them.
  t.same(check(parse(text.replace(/: (\$\{[^}]*\})/g, ': "$1"'))), [])
})

t.test('wrong keys and values fail where they are', async (t) => {
  const check = await validator()
  t.same(check({}), [''])
  t.same(check({ listeners, bogus: 1 }), [''])
  t.ok(check({ listeners: { a: { address: 'localhost' } } }).includes('/listeners/a/address'))
  t.ok(check({ listeners, drain: '5 seconds' }).includes('/drain'))
  t.ok(check({ listeners, plugins: [{ retry: { atempts: 3 } }] }).includes('/plugins/0/retry'))
  t.ok(check({ listeners, plugins: [{ retry: { attempts: 'many' } }] }).includes('/plugins/0/retry/attempts'))
  t.ok(
    check({ listeners, plugins: [{ retry: { backoff: { bse: 1 } } }] }).includes('/plugins/0/retry/backoff')
  )
  t.ok(check({ listeners, plugins: [{ metrics: { on: 1 } }] }).includes('/plugins/0/metrics'))
  t.ok(
    check({ listeners, plugins: [{ 'from-json-schema': { signature: 'x', bogus: 1 } }] }).includes(
      '/plugins/0/from-json-schema'
    )
  )
  t.ok(check({ listeners, plugins: [{ retry: {}, metrics: {} }] }).length > 0)
})

t.test('every key of a listener and of its TLS', async (t) => {
  const check = await validator()
  const pair = { cert: 'a.pem', key: 'a.key' }
  const at = (listener: object) => check({ listeners: { a: { address: ':0', ...listener } } })
  const all = {
    tls: {
      ...pair,
      ca: 'ca.pem',
      clientAuth: 'require',
      minVersion: 'TLSv1.3',
      sni: [
        { names: ['a.test'], ...pair },
        { names: ['*.b.test'], ...pair }
      ]
    },
    maxConnections: 1,
    http2: false,
    maxStreams: 1,
    trustedProxies: ['10.0.0.0/8', '::1'],
    proxyProtocol: true,
    forwarded: true,
    via: 'edge',
    serverTiming: true
  }
  t.same(at(all), [])
  t.same(at({ via: true }), [])
  t.ok(at({ via: 'my edge' }).includes('/listeners/a/via'))
  t.ok(at({ trustedProxies: ['localhost'] }).includes('/listeners/a/trustedProxies/0'))
  t.ok(at({ tls: { ...pair, clientAuth: 'yes' } }).includes('/listeners/a/tls/clientAuth'))
  t.ok(at({ tls: { ...pair, sni: [{ nam: 'x', ...pair }] } }).includes('/listeners/a/tls/sni/0'))
  for (const protocol of ['http', 'https', 'h2c', 'h2', 'auto'])
    t.same(check({ listeners, services: { s: { protocol } } }), [])
  t.ok(check({ listeners, services: { s: { protocol: 'h3' } } }).includes('/services/s/protocol'))
})

t.test('a plugin is offered where it may stand, and any file or package passes with any keys', async (t) => {
  const check = await validator()
  const balancer = { 'load-balancer': { policy: 'random' } }
  t.same(check({ listeners, services: { s: { endpoints: ['http://h'], plugins: [balancer] } } }), [])
  t.ok(check({ listeners, plugins: [balancer] }).includes('/plugins/0/load-balancer'))
  t.same(
    check({
      listeners,
      plugins: ['./mine.ts', { './mine.ts': { any: [1] } }, { '@acme/x': { any: 1, onFailure: 'skip' } }]
    }),
    []
  )
  t.ok(check({ listeners, plugins: [{ './mine.ts': { onFailure: 'maybe' } }] }).length > 0)
})

t.test('the environment may stand for numbers, durations and words', async (t) => {
  const check = await validator()
  const reference = `\${X:-1}`
  t.same(
    check({
      listeners: { a: { address: reference, headersTimeout: reference } },
      workers: { threads: reference },
      log: { level: reference },
      plugins: [{ retry: { attempts: reference, disable: reference } }]
    }),
    []
  )
})

t.test('it describes what it names', async (t) => {
  const schema = (await configSchema(host)) as {
    $schema: string
    definitions: Record<string, { description?: string; properties: Record<string, Record<string, unknown>> }>
  }
  t.equal(schema.$schema, 'http://json-schema.org/draft-07/schema#')
  t.match(schema.definitions['config-retry']?.properties, {
    attempts: { description: 'The first try counts.', default: 3 },
    attemptTimeout: { default: '2s' },
    disable: { default: false },
    onFailure: { default: 'close' }
  })
  t.equal(schema.definitions['config-metrics']?.description, 'Counts requests.')
  t.match(schema.definitions['config-marked']?.properties.pin, { writeOnly: true })
})

t.test('schemas that refer to themselves, and those of several forms', async (t) => {
  type Node = { name: string; children?: Node[] | undefined }
  const node: z.ZodType<Node> = z.object({
    name: z.string(),
    get children() {
      return z.array(node).optional()
    }
  })
  const plugins = [
    definePlugin({ name: 'tree', config: z.object({ root: node }), setup() {} }),
    definePlugin({
      name: 'forms',
      config: z.union([z.object({ a: z.number() }), z.object({ b: z.number() })]),
      setup() {}
    }),
    definePlugin({
      name: 'referring',
      config: {
        type: 'object',
        properties: { item: { $ref: '#/$defs/item' } },
        $defs: { item: { type: 'object', properties: { next: { $ref: '#/$defs/item' } } } }
      },
      setup() {}
    })
  ]
  const check = await validator({
    ...host,
    builtins: new Map(plugins.map((each) => [each.name, async () => each]))
  })
  const at = (listing: object) => check({ listeners, plugins: [listing] })
  t.same(at({ tree: { root: { name: 'a', children: [{ name: 'b' }] } } }), [])
  t.ok(
    at({ tree: { root: { name: 'a', children: [{ nam: 'b' }] } } }).includes(
      '/plugins/0/tree/root/children/0'
    )
  )
  t.same(at({ forms: { b: 1, disable: true } }), [])
  t.ok(at({ forms: { c: 1 } }).length > 0)
  t.same(at({ referring: { item: { next: { next: {} } } } }), [])
  t.ok(at({ referring: { item: { next: { nxt: {} } } } }).includes('/plugins/0/referring/item/next'))
})
