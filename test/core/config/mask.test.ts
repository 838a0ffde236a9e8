import t from 'tap'
import { z } from 'zod'
import { loadConfig } from '../../../core/config/load.js'
import { maskSecrets } from '../../../core/config/mask.js'
import { definePlugin } from '../../../core/hooks/plugin.js'
import { host } from './fixtures/host.js'

t.test('values under keys that name secrets are masked, however they are written', async (t) => {
  t.same(
    maskSecrets({
      apiKeys: { mobile: 'a', web: { deep: 'b' } },
      'api-key': 'a',
      client_secret: 'a',
      password: 12345,
      passphrase: 'a',
      token: 'a',
      headers: { Authorization: 'Basic abc', 'x-api-key': 'a', accept: 'text/plain' },
      tls: { cert: 'server.pem', key: 'server.key' },
      secrets: ['a', 'b'],
      bucket: { tokens: 10, maxKeys: 3 },
      policy: 'round-robin',
      nothing: { password: null }
    }),
    {
      apiKeys: { mobile: '***', web: { deep: '***' } },
      'api-key': '***',
      client_secret: '***',
      password: '***',
      passphrase: '***',
      token: '***',
      headers: { Authorization: '***', 'x-api-key': '***', accept: 'text/plain' },
      tls: { cert: 'server.pem', key: '***' },
      secrets: ['***', '***'],
      bucket: { tokens: 10, maxKeys: 3 },
      policy: 'round-robin',
      nothing: { password: null }
    }
  )
})

t.test('secrets within text are masked', async (t) => {
  t.same(
    maskSecrets({
      url: 'redis://user:pass@10.0.0.1:6379/0',
      many: 'http://a:b@c, https://token@d/x?y=z@w',
      plain: 'http://10.0.0.1:80/@me',
      line: 'send Bearer abcdef123456 along',
      pem: '-----BEGIN EC PRIVATE KEY-----\nabc\n-----END EC PRIVATE KEY-----'
    }),
    {
      url: 'redis://***@10.0.0.1:6379/0',
      many: 'http://***@c, https://***@d/x?y=z@w',
      plain: 'http://10.0.0.1:80/@me',
      line: 'send Bearer *** along',
      pem: '***'
    }
  )
})

t.test('what a secret is read from is shown, a default is not', async (t) => {
  t.same(maskSecrets({ password: `\${PASSWORD}`, token: `\${TOKEN:-abc}`, key: `a\${KEY}` }), {
    password: `\${PASSWORD}`,
    token: '***',
    key: '***'
  })
})

t.test("fields that a plugin's schema marks are masked", async (t) => {
  const schema = z.object({
    pin: z.string().meta({ secret: true }).optional(),
    list: z.array(z.object({ code: z.string().meta({ secret: true }), name: z.string() })).default([]),
    either: z.union([z.string(), z.object({ hidden: z.string().meta({ secret: true }) })]).optional(),
    parts: z.object({ a: z.string(), b: z.number() }).meta({ secret: true }).optional()
  })
  t.same(
    maskSecrets(
      { pin: '1', list: [{ code: '2', name: 'n' }], either: { hidden: '3' }, parts: { a: '4', b: 5 } },
      schema
    ),
    {
      pin: '***',
      list: [{ code: '***', name: 'n' }],
      either: { hidden: '***' },
      parts: { a: '***', b: '***' }
    }
  )
  t.same(
    maskSecrets(
      { a: '1', b: { c: '2' }, d: '3' },
      {
        type: 'object',
        properties: {
          a: { type: 'string', format: 'password' },
          b: { type: 'object', additionalProperties: { type: 'string', secret: true } },
          d: { type: 'string' }
        }
      }
    ),
    { a: '***', b: { c: '***' }, d: '3' }
  )
})

t.test('a loaded configuration shows what was written, masked', async (t) => {
  const mine = definePlugin({
    name: 'mine',
    config: z.object({ pin: z.string().meta({ secret: true }) }),
    setup() {}
  })
  const written = {
    listeners: { a: { address: `127.0.0.1:\${PORT:-0}` } },
    plugins: [
      mine.name === 'mine' ? [mine, { pin: '1234' }] : '',
      { marked: { pin: '1234', shown: 'x' } },
      { 'from-json-schema': { signature: 's' } },
      { auth: { apiKeys: { one: 'sha256:ab' }, disable: true } }
    ]
  }
  const { masked } = await loadConfig(written, { host, env: { PORT: '0' } })
  t.same(masked, {
    listeners: { a: { address: `127.0.0.1:\${PORT:-0}` } },
    plugins: [
      ['mine', { pin: '***' }],
      { marked: { pin: '***', shown: 'x' } },
      { 'from-json-schema': { signature: '***' } },
      { auth: { apiKeys: { one: '***' }, disable: true } }
    ]
  })
  t.doesNotThrow(() => JSON.stringify(masked))
})

t.test('what JSON has no form for is named', async (t) => {
  const circular: Record<string, unknown> = { f: () => {}, n: 1n, u: new URL('http://a:b@c/'), m: new Map() }
  circular.self = circular
  t.same(maskSecrets(circular), {
    f: '[function]',
    n: '1',
    u: 'http://***@c/',
    m: '[object]',
    self: '[circular]'
  })
})

t.test('a schema may say that what is called like a secret is none', async (t) => {
  const schema = z.strictObject({
    key: z.string().meta({ secret: false }).describe('Who is limited.'),
    token: z.string()
  })
  t.same(maskSecrets({ key: 'address', token: 'abc' }, schema), { key: 'address', token: '***' })
  const json = { type: 'object', properties: { key: { type: 'string', secret: false } } } as const
  t.same(maskSecrets({ key: 'address', token: 'abc' }, json), { key: 'address', token: '***' })
})
