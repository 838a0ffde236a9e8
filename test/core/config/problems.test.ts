import { truncateSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { loadConfig } from '../../../core/config/load.js'
import { ConfigError, formatProblem } from '../../../core/config/problem.js'
import { certificate } from '../../support/certificates.js'
import { host } from './fixtures/host.js'

/** What is printed for a configuration, less the folder it is in. */
async function problems(source: string | object, env: NodeJS.ProcessEnv = {}): Promise<string[]> {
  try {
    await loadConfig(source, { host, env })
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    return error.problems.map(formatProblem)
  }
  return []
}

function writer(t: Test) {
  return async (text: string, env?: NodeJS.ProcessEnv) => {
    const file = join(t.testdir({ 'a.yaml': text }), 'a.yaml')
    return (await problems(file, env)).map((line) =>
      line.replace(`${file}: `, 'FILE: ').replace(`${file}:`, '')
    )
  }
}

const listeners = 'listeners: { a: { address: "127.0.0.1:8080" } }\n'

t.test('six mistakes in one file are six problems, each with its place', async (t) => {
  const file = 'test/core/config/fixtures/six-mistakes.yaml'
  t.same(await problems(file), [
    `${file}:2:39: listeners.inbound.headersTimout: unknown key "headersTimout": did you mean "headersTimeout"?`,
    `${file}:5:24: plugins[0].logging.format: expected json or text, not "jsn": did you mean "json"?`,
    `${file}:11:21: services.orders.connectTimeout: expected a duration such as 250ms, 5s or 1m, not "5 seconds"`,
    `${file}:16:14: routes[0].service: unknown service "order": did you mean "orders"?`,
    `${file}:18:9: routes[0].plugins[0].retyr: unknown plugin "retyr": did you mean "retry"?`,
    `${file}:20:21: routes[0].plugins[1].retry.attempts: expected a whole number, not "lots"`
  ])
})

t.test('the error message has every problem on a line of its own', async (t) => {
  await t.rejects(loadConfig({ listeners: {}, drain: 'x' }, { host }), {
    name: 'ConfigError',
    message:
      'listeners: expected at least one, such as { inbound: { address: 127.0.0.1:8080 } }\n' +
      'drain: expected a duration such as 250ms, 5s or 1m, not "x"'
  })
})

t.test('what is missing is told where it is missing from', async (t) => {
  const read = writer(t)
  t.same(await read('routes:\n  - match: {}\n    reply: {}\n'), [
    '1:1: listeners: missing: expected at least one, such as { inbound: { address: 127.0.0.1:8080 } }',
    '2:5: routes[0].name: missing: expected a name: letters, digits, dots, dashes and underscores'
  ])
  t.same(await read('listeners:\n  a: {}\n  b:\n    tls: { cert: x }\n').then((lines) => lines.slice(0, 1)), [
    '2:3: listeners.a.address: missing: expected an address such as 127.0.0.1:8080, :8080 or unix:/run/app.sock'
  ])
  t.same(await read(`${listeners}routes:\n  - name: a\n`), [
    '3:5: routes[0]: expected a "service", or a "reply" in its place'
  ])
})

t.test('addresses', async (t) => {
  const what = 'expected an address such as 127.0.0.1:8080, :8080 or unix:/run/app.sock'
  const read = async (address: unknown) =>
    (await problems({ listeners: { a: { address } }, admin: false })).map((line) =>
      line.replace('listeners.a.address: ', '')
    )
  t.same(await read(8080), [`${what}, not 8080: write ":8080" for that port on every interface`])
  t.same(await read('localhost'), [`${what}, not "localhost": the port is missing`])
  t.same(await read('http://localhost:80'), [`${what}, not "http://localhost:80": leave the scheme away`])
  t.same(await read('a:99999'), [`${what}, not "a:99999"`])
  t.same(await read(`unix:/${'x'.repeat(120)}`), [
    "too long for a socket's path: at most 103 bytes, folder included"
  ])
  t.same(
    await problems({
      listeners: { a: { address: ':80' }, b: { address: ':80' } },
      admin: { address: ':80' }
    }),
    [
      'listeners.b.address: ":80" is the address of listeners.a too',
      'admin.address: ":80" is the address of listeners.b too'
    ]
  )
  t.same(await problems({ listeners: { a: { address: ':0' }, b: { address: ':0' } } }), [])
  t.same(await problems({ listeners: { admin: { address: ':0' } } }), [
    'listeners.admin: the name "admin" is that of the admin\'s own listener'
  ])
})

t.test('keys of a listener', async (t) => {
  const read = async (listener: object) =>
    (await problems({ listeners: { a: { address: ':0', ...listener } } })).map((line) =>
      line.replace('listeners.a.', '')
    )
  t.same(await read({ trustedProxy: [], proxyProtocl: true, serverTimings: true, maxConnection: 1 }), [
    'trustedProxy: unknown key "trustedProxy": did you mean "trustedProxies"?',
    'proxyProtocl: unknown key "proxyProtocl": did you mean "proxyProtocol"?',
    'serverTimings: unknown key "serverTimings": did you mean "serverTiming"?',
    'maxConnection: unknown key "maxConnection": did you mean "maxConnections"?'
  ])
  t.same(await read({ maxConnections: 0, maxStreams: 1.5, http2: 'yes', forwarded: 1, serverTiming: 'on' }), [
    'maxConnections: expected at least 1, not 0',
    'maxStreams: expected a whole number, not 1.5',
    'http2: expected true or false, not "yes"',
    'forwarded: expected true or false, not 1',
    'serverTiming: expected true or false, not "on"'
  ])
  t.same(await read({ via: 'my proxy' }), [
    'via: expected true, false or a name without spaces, not "my proxy"'
  ])
  t.same(await read({ via: '' }), ['via: expected true, false or a name without spaces, not ""'])
  t.same(await read({ via: 5 }), ['via: expected true, false or a name without spaces, not 5'])
})

t.test('trusted proxies', async (t) => {
  const read = async (...trustedProxies: unknown[]) =>
    (await problems({ listeners: { a: { address: ':0', trustedProxies } } })).map((line) =>
      line.replace(/^listeners\.a\.trustedProxies\[0\]: /, '')
    )
  const what = 'expected an address or a range such as 127.0.0.1, 10.0.0.0/8 or fd00::/8'
  for (const good of ['0.0.0.0/0', '::/0', '10.1.2.3/8', '127.0.0.1/32', '::1/128', '::ffff:10.0.0.0/104'])
    t.same(await read(good), [], good)
  t.same(await read('10.0.0.0/33'), [
    `${what}, not "10.0.0.0/33": what is behind "/" is a number from 0 to 32`
  ])
  t.same(await read('fd00::/129'), [
    `${what}, not "fd00::/129": what is behind "/" is a number from 0 to 128`
  ])
  t.same(await read('10.0.0.0/255.0.0.0'), [
    `${what}, not "10.0.0.0/255.0.0.0": what is behind "/" is a number from 0 to 32`
  ])
  t.same(await read('10.0.0.1:80'), [`${what}, not "10.0.0.1:80": without brackets and port`])
  t.same(await read('[::1]'), [`${what}, not "[::1]": without brackets and port`])
  t.same(await read('localhost'), [`${what}, not "localhost": a name may come to mean another address`])
  for (const bad of [
    '10.0.0',
    '10.0.0.256',
    '010.0.0.1',
    '10.0.0.0/-1',
    '10.0.0.0/',
    '::1/1/1',
    'fe80::1%eth0',
    '*',
    ''
  ])
    t.match(await read(bad), [what], bad)
  t.same(await read(7), [`${what}, not 7`])
  t.same(await problems({ listeners: { a: { address: ':0', trustedProxies: '10.0.0.0/8' } } }), [
    'listeners.a.trustedProxies: expected a list, not "10.0.0.0/8"'
  ])
  for (const none of [{}, { trustedProxies: [] }]) {
    t.same(await problems({ listeners: { a: { address: ':0', proxyProtocol: true, ...none } } }), [
      'listeners.a.proxyProtocol: expected "trustedProxies" beside it: a header of the PROXY protocol is read from those alone'
    ])
  }
})

t.test('TLS of a listener', async (t) => {
  const { cert, key } = certificate({ name: 'localhost' })
  const dir = t.testdir({ 'a.pem': cert, 'a.key': key })
  const files = { cert: join(dir, 'a.pem'), key: join(dir, 'a.key') }
  const ca = files.cert
  const read = async (tls: object) =>
    (await problems({ listeners: { a: { address: ':0', tls: { ...files, ...tls } } } })).map((line) =>
      line.replace('listeners.a.tls.', '')
    )
  t.same(await read({ ca, clientAuth: 'require', minVersion: 'TLSv1.3' }), [])
  t.same(await read({ ca, clientAuth: 'none' }), [], 'said on purpose')
  t.same(await read({ ca, clientAuth: 'requir', minVersion: '1.2', clientAut: 1 }), [
    'clientAuth: expected none, request or require, not "requir": did you mean "require"?',
    'minVersion: expected TLSv1.2 or TLSv1.3, not "1.2"',
    'clientAut: unknown key "clientAut": did you mean "clientAuth"?'
  ])
  for (const clientAuth of ['request', 'require']) {
    t.same(await read({ clientAuth }), [
      `clientAuth: expected "ca" beside "${clientAuth}": with the system's CAs anyone with a domain of their own would do`
    ])
  }
  t.same(await read({ ca }), [
    'ca: clients are not asked for a certificate without "clientAuth": write clientAuth: require, or request'
  ])
  const name = 'expected a name such as shop.example.com or *.example.com'
  const sni = (...list: object[]) => read({ sni: list.map((each) => ({ ...files, ...each })) })
  t.same(await sni({ names: ['shop.test'] }, { names: ['*.shop.test', 'localhost'] }), [])
  t.same(await sni({}), ['sni[0].names: missing: expected a list'])
  t.same(await sni({ names: [] }), ['sni[0].names: expected at least 1 item, not 0'])
  t.same(await sni({ names: ['a.test'] }, { names: ['b.test', 'A.test', 'b.test'] }), [
    'sni[1].names[1]: "A.test" is a name of sni[0] too',
    'sni[1].names[2]: "b.test" is there twice'
  ])
  t.same(await sni({ names: ['10.0.0.1'] }), [
    `sni[0].names[0]: ${name}, not "10.0.0.1": who connects to an address asks for no name`
  ])
  t.same(await sni({ names: ['a.test:443'] }), [
    `sni[0].names[0]: ${name}, not "a.test:443": without its port`
  ])
  for (const bad of ['*', 'a.*.test', '*a.test', 'a..test', '-a.test', 'a b', '', 'x'.repeat(64)])
    t.match(await sni({ names: [bad] }), [name], bad)
  t.same(await sni({ names: ['a'], keys: 'x' }), ['sni[0].keys: unknown key "keys": did you mean "key"?'])
  t.same(await read({ sni: [{ names: ['a'] }] }), [
    'sni[0].cert: missing: expected a string',
    'sni[0].key: missing: expected a string'
  ])
})

t.test('a plugin that buffers has no place before HTTP/2', async (t) => {
  const read = writer(t)
  const config = (
    protocol: string,
    top: string,
    route: string,
    service: string
  ) => `${listeners}plugins: [${top}]
services:
  s: { endpoints: ["unix:/run/s"], protocol: ${protocol}, plugins: [${service}] }
  t: { endpoints: ["http://h"] }
routes:
  - { name: first, match: { path: /t }, service: t, plugins: [{ reads: { request: buffer } }] }
  - { name: second, service: s, plugins: [${route}] }
  - { name: third, match: { path: /x }, service: s }
`
  const why = 'goes to s, whose protocol is h2c: bodies of HTTP/2 are streamed'
  t.same(await read(config('h2c', 'metrics', 'metrics, { reads: { request: buffer } }', '')), [
    `8:54: routes[1].plugins[1].reads: reads buffers request bodies, and route "second" ${why}`
  ])
  t.same(
    await read(config('h2c', 'buffers, { reads: { request: stream } }', '', '')),
    [`2:11: plugins[0]: buffers buffers response bodies, and route "second" ${why}`],
    'once, though it is on two routes'
  )
  t.same(await read(config('h2', '', '', '{ reads: { request: buffer } }')), [
    '4:62: services.s.plugins[0].reads: reads buffers request bodies, and route "second" goes to s, whose protocol is h2: bodies of HTTP/2 are streamed'
  ])
  t.same(await read(config('h2', '', '{ reads: { request: buffer, disable: true } }', '')), [])
  for (const protocol of ['http', 'https', 'auto'])
    t.same(await read(config(protocol, 'buffers', '{ reads: { request: buffer } }', 'buffers')), [], protocol)
  const mistaken = await read(`${config('h2', 'buffers', '', '')}drain: never
`)
  t.equal(mistaken.length, 2, 'beside other mistakes')
  const listed = {
    listeners: { a: { address: ':0' } },
    plugins: [[(await host.builtins.get('reads')?.()) as object, { request: 'buffer' }]],
    services: { s: { endpoints: ['http://h'], protocol: 'h2c' } },
    routes: [{ name: 'a', service: 's' }]
  }
  t.match(await problems(listed), [/^plugins\[0\]: reads buffers request bodies/])
})

t.test('endpoints', async (t) => {
  const read = async (service: object) =>
    (await problems({ listeners: { a: { address: ':0' } }, services: { s: service } })).map((line) =>
      line.replace('services.s.', '')
    )
  const what = 'expected http://host:port, https://host:port or unix:/path'
  t.same(await read({ endpoints: ['localhost:80', 'ftp://x', { url: 5 }] }), [
    `endpoints[0]: ${what}, not "localhost:80"`,
    `endpoints[1]: ${what}, not "ftp://x"`,
    `endpoints[2].url: ${what}, not 5`
  ])
  t.same(await read({ endpoints: ['http://h/api'] }), [
    `endpoints[0]: an endpoint's URL has no path: expected http://h, not "http://h/api"`
  ])
  const [credentials] = await read({ endpoints: ['http://me:pass@h'] })
  t.match(credentials, /credentials in an endpoint's URL/)
  t.notMatch(credentials, /pass/)
  t.same(await read({ endpoints: ['http://h:1', 'https://h:2', 'http://h:1'] }), [
    'endpoints[1]: expected http like the endpoints before it, not "https://h:2": a service has one protocol',
    'endpoints[2]: "http://h:1" is there twice: for a larger share of requests it takes a weight'
  ])
  t.same(await read({ protocol: 'https', endpoints: ['http://h:1'] }), [
    'endpoints[0]: "http://h:1" does not go with the service\'s protocol, https'
  ])
  const clash = (url: string, protocol: string) => [
    `endpoints[0]: "${url}" does not go with the service's protocol, ${protocol}`
  ]
  for (const protocol of ['https', 'h2'])
    t.same(await read({ protocol, endpoints: ['http://h:1'] }), clash('http://h:1', protocol))
  for (const protocol of ['http', 'h2c'])
    t.same(await read({ protocol, endpoints: ['https://h:1'] }), clash('https://h:1', protocol))
  t.same(await read({ protocol: 'auto', endpoints: ['http://h:1', 'https://h:2'] }), [
    'endpoints[1]: expected http like the endpoints before it, not "https://h:2": a service has one protocol'
  ])
  t.same(await read({ protocol: 'h3', endpoints: ['https://h:1'] }), [
    'protocol: expected http, https, h2c, h2 or auto, not "h3": did you mean "h2"?'
  ])
  t.same(await read({}), ['endpoints: missing: expected at least one endpoint, or a plugin that finds them'])
  t.same(await read({ plugins: ['load-balancer'] }), [], 'a plugin may find them')
  t.same(await read({ endpoints: [{ url: 'http://h', wieght: 2, tags: { v: 2 } }] }), [
    'endpoints[0].wieght: unknown key "wieght": did you mean "weight"?',
    'endpoints[0].tags.v: expected a string, not 2: put it in quotes'
  ])
  t.same(await read({ endpoints: 'http://h', tls: { cert: 'x.pem' } }).then((lines) => lines.slice(0, 1)), [
    'endpoints: expected a list, not "http://h"'
  ])
})

t.test('unions are told by the branch that was meant', async (t) => {
  const read = (value: object) => problems({ listeners: { a: { address: ':0' } }, ...value })
  t.same(await read({ services: { s: { endpoints: [5] } } }), [
    'services.s.endpoints[0]: expected http://host:port, https://host:port or unix:/path or an object, not 5'
  ])
  t.same(await read({ admin: true }), ['admin: expected false or an object, not true'])
  t.same(await read({ admin: { adress: 'x' } }), [
    'admin.adress: unknown key "adress": did you mean "address"?'
  ])
  t.same(await read({ routes: [{ name: 'a', reply: { body: 5 } }] }), [
    'routes[0].reply.body: expected a string, an object or a list, not 5'
  ])
})

t.test('routes', async (t) => {
  const read = async (...routes: object[]) =>
    (
      await problems({
        listeners: { inbound: { address: ':0' } },
        services: { s: { endpoints: ['http://h'] } },
        routes
      })
    ).map((line) => line.replace(/^routes\[0\]\./, ''))
  const reply = {}
  t.same(await read({ name: 'a', reply }, { name: 'a', reply }), [
    'routes[1].name: routes[0] is called "a" too'
  ])
  t.same(await read({ name: 'a', reply, service: 's' }), [
    'reply: a route has a "service" or a "reply", not both'
  ])
  t.same(await read({ name: 'a', service: 'payments' }), [
    'service: unknown service: expected s, not "payments"'
  ])
  t.same(await read({ name: 'a b', reply }), [
    'name: expected a name, not "a b": letters, digits, dots, dashes and underscores'
  ])
  t.same(await read({ name: 'a', reply, listeners: ['inbond', 'x'] }), [
    'listeners[0]: unknown listener "inbond": did you mean "inbound"?',
    'listeners[1]: unknown listener: expected inbound, not "x"'
  ])
  t.same(await read({ name: 'a', reply, listeners: [] }), ['listeners: expected at least 1 item, not 0'])
  t.same(await read({ name: 'a', reply: { status: 99 } }), ['reply.status: expected at least 200, not 99'])
  t.same(await read({ name: 'a', reply: { headers: { 'a b': 'c', d: 'e\r\nf' } } }), [
    'reply.headers["a b"]: expected the name of a header, not "a b"',
    'reply.headers.d: expected the value of a header, without line ends'
  ])
  t.same(await read({ name: 'a', reply, encodedSlashes: 'Keep' }), [
    'encodedSlashes: expected refuse or keep, not "Keep": did you mean "keep"?'
  ])
  const match = async (match: object) =>
    (await read({ name: 'a', reply, match })).map((line) => line.replace('match.', ''))
  t.same(await match({ path: 'orders' }), [
    'path: expected a path such as /orders or /orders/*, not "orders": it begins with "/"'
  ])
  t.match(await match({ path: '/a*' }), [/"\*" stands only as the last segment/])
  t.match(await match({ path: '/a?b=1' }), [/a query is matched by "query"/])
  t.match(await match({ path: '/a/%2e%2e/b' }), [/"\." and "\.\." never reach a route/])
  t.match(await match({ path: '/%zz' }), [/it does not decode/])
  t.same(await match({ host: 'shop.example.com:8080' }), [
    'host: expected a host such as shop.example.com or *.example.com, not "shop.example.com:8080": without its port'
  ])
  t.same(await match({ methods: ['get', 'PSOT'] }), [
    'methods[1]: expected an HTTP method such as GET or POST, not "PSOT": did you mean "POST"?'
  ])
  t.same(await match({ headers: { 'x-beta': 1 } }), [
    'headers.x-beta: expected a string, not 1: put it in quotes'
  ])
})

t.test('listings of plugins', async (t) => {
  const read = writer(t)
  t.same(await read(`${listeners}plugins:\n  - retry:\n    attempts: 3\n`), [
    '3:5: plugins[0]: expected one key, the plugin\'s name, not "retry" and "attempts": indent what belongs to "retry" under it'
  ])
  t.same(await read(`${listeners}plugins:\n  - {}\n  - 5\n  - retry: 3\n  - [a]\n  -\n`), [
    "3:5: plugins[0]: expected one key, the plugin's name, not none",
    "4:5: plugins[1]: expected a plugin's name, or { name: { ... } }, not 5",
    '5:12: plugins[2].retry: expected the configuration of retry as an object, not 3',
    '6:5: plugins[3]: expected a plugin and its configuration, [plugin, { ... }], not another list',
    "7:4: plugins[4]: expected a plugin's name, or { name: { ... } }, not nothing (null)"
  ])
  t.same(await read(`${listeners}plugins: retry\n`), ['2:10: plugins: expected a list, not "retry"'])
  t.same(await read(`${listeners}plugins:\n  - load-balancer\n  - load-balancer: { policy: rando }\n`), [
    '3:5: plugins[0]: load-balancer stands on a service, not at the top',
    '4:5: plugins[1].load-balancer: load-balancer stands on a service, not at the top',
    '4:30: plugins[1].load-balancer.policy: expected round-robin, random or least-request, not "rando": did you mean "random"?'
  ])
  t.same(await read(`${listeners}services: { s: { endpoints: [http://h], plugins: [auth] } }\n`), [
    '2:51: services.s.plugins[0]: auth stands at the top or on a route, not on a service',
    '2:51: services.s.plugins[0].apiKeys: missing: expected an object'
  ])
})

t.test("every plugin's own keys are checked, and its own schema at every depth", async (t) => {
  const read = writer(t)
  const one = async (config: string) =>
    (await read(`${listeners}plugins:\n  - ${config}\n`)).map((line) => line.replace(/plugins\[0\]\./, ''))
  t.same(await one('metrics: { onFailur: skip, hokTimeout: 1s, bogus: 1 }'), [
    '3:16: metrics.onFailur: unknown key "onFailur": did you mean "onFailure"?',
    '3:32: metrics.hokTimeout: unknown key "hokTimeout": did you mean "hookTimeout"?',
    '3:48: metrics.bogus: unknown key "bogus": expected disable, when, onFailure or hookTimeout'
  ])
  t.same(await one('metrics: { onFailure: ignore, hookTimeout: 0, disable: yes, when: { host: x } }'), [
    '3:27: metrics.onFailure: expected close or skip, not "ignore"',
    '3:48: metrics.hookTimeout: expected a duration such as 250ms, 5s or 1m of at least 1ms, not 0',
    '3:60: metrics.disable: expected true or false, not "yes"',
    '3:73: metrics.when.host: unknown key "host": expected path, methods or headers'
  ])
  t.same(
    await one('retry: { backoff: { bse: 1s }, disable: true }'),
    ['3:25: retry.backoff.bse: unknown key "bse": did you mean "base"?'],
    'a disabled one is still checked'
  )
  t.same(
    await one(
      'from-json-schema: { limit: 0, signature: x, nested: { dep: true }, free: { any: 1 }, extra: 1 }'
    ),
    [
      '3:32: from-json-schema.limit: expected at least 1, not 0',
      '3:59: from-json-schema.nested.dep: unknown key "dep": did you mean "deep"?',
      '3:90: from-json-schema.extra: unknown key "extra": expected limit, signature, nested, free, disable, when, onFailure or hookTimeout'
    ]
  )
})

t.test('secrets are not quoted', async (t) => {
  const read = writer(t)
  const config = (config: string) => read(`${listeners}plugins:\n  - ${config}\n`, { KEY: 'hunter22' })
  t.same(await config(`auth: { apiKeys: { one: hunter2, two: "\${KEY}" } }`), [
    '3:29: plugins[0].auth.apiKeys.one: expected text that matches /^sha256:[\\da-f]+$/, not "***"',
    '3:43: plugins[0].auth.apiKeys.two: expected text that matches /^sha256:[\\da-f]+$/, not "***"'
  ])
  t.same(await config('marked: { pin: 12345 }'), [
    '3:20: plugins[0].marked.pin: expected a string, not "***": put it in quotes'
  ])
  t.same(await config('marked: { pin: "12345" }'), [
    '3:20: plugins[0].marked.pin: expected text that matches /^\\d{4}$/, not "***"'
  ])
})

t.test('the environment', async (t) => {
  const read = writer(t)
  t.same(
    await read(
      `listeners: { a: { address: "127.0.0.1:\${PORT}" }, b: { address: "\${HOST-x}:1" } }\ndrain: \${DRAIN}\n`
    ),
    [
      `1:28: listeners.a.address: the environment has no PORT: set it, or write \${PORT:-default}`,
      `1:65: listeners.b.address: "\${HOST-x}" is neither \${NAME} nor \${NAME:-default}: for the text itself write $\${`,
      `2:8: drain: the environment has no DRAIN: set it, or write \${DRAIN:-default}`
    ]
  )
  t.same(
    await read(`${listeners}drain: \${DRAIN}\nworkers: { threads: \${N} }\n`, { DRAIN: 'soon', N: '0' }),
    [
      '2:8: drain: expected a duration such as 250ms, 5s or 1m, not "soon"',
      '3:21: workers.threads: expected at least 1, not 0'
    ]
  )
})

t.test('what stands behind an alias is told once, however often it is used', async (t) => {
  const read = writer(t)
  t.same(
    await read(
      `${listeners}services:\n  a: &a { endpoints: [ "http://\${HOST}" ], idleTimout: 1s }\n  b: *a\n  c: { <<: *a, keepAlive: x }\n`
    ),
    [
      `3:24: services.a.endpoints[0]: the environment has no HOST: set it, or write \${HOST:-default}`,
      '3:44: services.a.idleTimout: unknown key "idleTimout": did you mean "idleTimeout"?',
      '5:27: services.c.keepAlive: expected a duration such as 250ms, 5s or 1m, not "x"'
    ]
  )
  // One place, and two things missing from it; one message, and two places.
  const services = 'services: { a: { endpoints: [ "http://a.test" ], tls: {} } }\n'
  const missing = await read(`listeners: { a: { tls: {} } }\n${services}`)
  t.equal(missing.filter((line) => /listeners\.a\.tls\.(cert|key): missing/.test(line)).length, 2)
  t.equal((await read(`listeners: { a: { address: "\${H}:1" }, b: { address: "\${H}:1" } }\n`)).length, 2)
})

t.test('YAML that is none', async (t) => {
  const read = writer(t)
  t.same(
    await read(`${listeners}drain: [1\nlog: {}\n  bad: x\n`).then((lines) =>
      lines.map((line) => line.slice(0, 4))
    ),
    ['3:1:', '4:1:']
  )
  t.same(await read('listeners:\n\ta: 1\n'), ['2:1: Tabs are not allowed as indentation'])
  t.same(await read(`${listeners}drain: 1s\ndrain: 2s\n"log": {}\nlog: { level: x }\n`), [
    '3:1: the key "drain" is there twice',
    '5:1: the key "log" is there twice',
    '5:15: log.level: expected debug, info, warn, error or silent, not "x"'
  ])
  t.same(await read(`${listeners}---\nb: 1\n`), [
    '2:1: a second document begins here: a configuration is one, without "---"'
  ])
  t.same(await read(`${listeners}drain: *later\n`), ['2:8: no anchor &later before this alias'])
  t.same(await read(`${listeners}services: &s { a: *s }\n`), ['2:19: the alias "s" stands within itself'])
  t.same(
    await read(`${listeners}drain: !!js/function x\n`).then((lines) => lines[0]),
    '2:8: Unresolved tag: tag:yaml.org,2002:js/function: a configuration has no tags'
  )
  t.same(await read('- a\n'), ['1:1: expected an object, not a list'])
  t.same(await read('# nothing yet\n'), ['FILE: the file is empty: it needs "listeners" and "routes"'])
  t.match(await read('__proto__: { a: 1 }\n'), [
    /^1:1: listeners: missing/,
    /^1:1: __proto__: unknown key "__proto__"/
  ])
})

t.test('aliases within aliases do not grow without bound', async (t) => {
  const levels = Array.from(
    { length: 12 },
    (_, n) =>
      `l${n}: &l${n} [${Array(9)
        .fill(n === 0 ? 'x' : `*l${n - 1}`)
        .join(', ')}]`
  )
  const [problem, ...others] = await writer(t)(`${levels.join('\n')}\n`)
  t.match(problem, /^FILE: its aliases .* expand to too much/)
  t.same(others, [])
})

t.test('a file that is not there, or is no configuration', async (t) => {
  const dir = t.testdir({
    'large.yaml': '',
    'binary.yaml': Buffer.from([0xff, 0xfe, 0x00]),
    'sidecar.toml': '',
    'none.ts': 'export const a = 1\n',
    'throws.ts': `const a: number = 1\nthrow new Error('boom ' + a)\n`,
    'plugin.ts': `import { definePlugin } from 'outrigger'\nexport default definePlugin({ name: 'mine', setup() {} })\n`,
    'deep.yaml': `a: 1\nb: ${'['.repeat(100_000)}`,
    'dashes.yaml': '- '.repeat(100_000)
  })
  // A hole: it takes no room on the disk.
  truncateSync(join(dir, 'large.yaml'), 64 * 1024 ** 2 + 1)
  const read = async (name: string) =>
    (await problems(join(dir, name))).map((line) => line.replace(`${join(dir, name)}: `, ''))
  t.same(await problems('no/such.yaml'), [
    `no/such.yaml: no such file: there is no ${join(process.cwd(), 'no/such.yaml')}. Name the configuration, or go to its folder`
  ])
  t.match(await read('large.yaml'), [/^is larger than a configuration may be, \d+ bytes: at most 64 MiB$/])
  t.same(await read('binary.yaml'), ['is not UTF-8 text'])
  t.match(await read('sidecar.toml'), [/^a configuration is one of \.yaml, \.yml, \.json, \.ts, /])
  t.same(await problems(dir).then((lines) => lines.length), 1)
  t.same(await read('none.ts'), [
    'the configuration is nothing, and no object: expected "export default defineConfig({ ... })"'
  ])
  t.same(await problems(join(dir, 'throws.ts')), [`${join(dir, 'throws.ts')}:2: boom 1`])
  t.same(await read('plugin.ts'), ['is a plugin, "mine", and no configuration'])
  t.same(await problems(join(dir, 'deep.yaml')), [
    `${join(dir, 'deep.yaml')}:2:68: nests deeper than a configuration does`
  ])
  t.match(await problems(join(dir, 'dashes.yaml')), [/:1:129: nests deeper than a configuration does$/])
  t.same(await problems([]), ['the configuration is an empty list, and no object'])
})
