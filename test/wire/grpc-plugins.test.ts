// gRPC calls as the plugins see them: what is tried again, counted and logged, and the health that the sidecar answers.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { status } from '@grpc/grpc-js'
import t from 'tap'
import { definePlugin } from '../../core/index.js'
import type { StartedProxy } from '../../plugins/testing.js'
import { between } from '../support/grpc-proxy.js'
import { GrpcServer } from '../support/grpc-server.js'
import { startTestProxy } from '../support/proxy.js'
import { closedPort } from '../support/upstream.js'

const TEST_SERVICE = '/grpc.testing.TestService'

/** The metrics once they hold these lines, or as they are after 5 s: an exchange is counted when its client has it all. */
async function scrape(proxy: StartedProxy, awaited: readonly string[]): Promise<string[]> {
  const end = performance.now() + 5_000
  for (;;) {
    const lines = (await (await fetch(`${proxy.url('admin')}/metrics`)).text()).split('\n')
    if (awaited.every((line) => lines.includes(line)) || performance.now() > end) return lines
    await sleep(10)
  }
}

t.test('retry', async (t) => {
  const retry = (on: string[]) => ({ retry: { on, backoff: { base: 0, max: 0 } } })
  const refusal = (code: number) => ({ code, details: 'not now' })

  t.test('a status that is named is tried again, though the call is a POST', async (t) => {
    const server = await GrpcServer.start(t)
    const plugins = [retry(['unavailable', 'resource-exhausted'])]
    const { client } = await between(t, { endpoints: [server.url], plugins })
    server.refusals.push(refusal(status.UNAVAILABLE), refusal(status.RESOURCE_EXHAUSTED))
    const message = { payload: Buffer.alloc(10_000, 7), responseSize: 20 }
    const ended = await client.unary('UnaryCall', message)
    t.equal(ended.code, status.OK, ended.details)
    t.equal(ended.messages[0]?.payload?.length, 20)
    t.equal(server.calls.length, 3)
  })

  t.test('one that is not named is not', async (t) => {
    const server = await GrpcServer.start(t)
    const { client } = await between(t, { endpoints: [server.url], plugins: [retry(['unavailable', '5xx'])] })
    server.refusals.push(refusal(status.INTERNAL))
    t.match(await client.unary('EmptyCall', {}), { code: status.INTERNAL, details: 'not now' })
    t.equal(server.calls.length, 1)
  })

  t.test('the last answer is what the client gets', async (t) => {
    const server = await GrpcServer.start(t)
    const { client } = await between(t, { endpoints: [server.url], plugins: [retry(['unavailable'])] })
    server.refusals.push(...[1, 2, 3, 4].map(() => refusal(status.UNAVAILABLE)))
    t.match(await client.unary('EmptyCall', {}), { code: status.UNAVAILABLE, details: 'not now' })
    t.equal(server.calls.length, 3)
  })

  t.test('unavailable is also an endpoint that is not there', async (t) => {
    const server = await GrpcServer.start(t)
    const endpoints = [`http://127.0.0.1:${await closedPort()}`, server.url]
    const { client } = await between(t, { endpoints, plugins: [retry(['unavailable'])] })
    for (let i = 0; i < 6; i++) {
      const ended = await client.unary('UnaryCall', { payload: Buffer.alloc(30_000), responseSize: 1 })
      t.equal(ended.code, status.OK, ended.details)
    }
  })
})

t.test('statuses are counted and logged', async (t) => {
  const directory = t.testdir({})
  const file = join(directory, 'access.log')
  const server = await GrpcServer.start(t)
  const logging = {
    logging: {
      destination: file,
      fields: ['route', 'status', 'code', 'grpcStatus', 'attempts', 'httpVersion']
    }
  }
  const { proxy, client, url } = await between(t, {
    endpoints: [server.url],
    top: ['metrics', logging],
    plugins: [{ retry: { on: ['aborted'], backoff: { base: 0, max: 0 } } }],
    route: { match: { path: `${TEST_SERVICE}/*` } },
    config: { admin: { address: '127.0.0.1:0' } }
  })
  await client.unary('EmptyCall', {})
  await client.unary('UnaryCall', { status: { code: status.NOT_FOUND, message: 'none' } })
  const { call, ended } = client.duplex()
  call.write({ status: { code: status.DATA_LOSS, message: 'gone' } })
  call.end()
  await ended
  server.refusals.push({ code: status.ABORTED, details: 'again' })
  await client.unary('EmptyCall', {})
  await client.unary('/shop.Nowhere/Get', {})
  await fetch(`${url}/plain`)

  const service = 'service="upstream"'
  const expected = [
    `outrigger_grpc_requests_total{route="all",${service},code="OK"} 2`,
    `outrigger_grpc_requests_total{route="all",${service},code="NOT_FOUND"} 1`,
    `outrigger_grpc_requests_total{route="all",${service},code="DATA_LOSS"} 1`,
    'outrigger_grpc_requests_total{route="-",service="-",code="UNIMPLEMENTED"} 1',
    `outrigger_requests_total{route="all",${service},method="POST",code="200"} 4`,
    'outrigger_retries_total{route="all",reason="aborted"} 1',
    `outrigger_attempts_total{${service},endpoint="${server.url}",outcome="2xx"} 2`,
    `outrigger_attempts_total{${service},endpoint="${server.url}",outcome="4xx"} 2`,
    `outrigger_attempts_total{${service},endpoint="${server.url}",outcome="5xx"} 1`
  ]
  const lines = await scrape(proxy, expected)
  for (const line of expected) t.ok(lines.includes(line), line)
  t.equal(lines.filter((line) => line.startsWith('outrigger_grpc_requests_total{')).length, 4)

  await proxy.close()
  t.same(
    readFileSync(file, 'utf8')
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line)),
    [
      { route: 'all', status: 200, grpcStatus: 0, attempts: 1, httpVersion: '2.0' },
      { route: 'all', status: 200, grpcStatus: 5, attempts: 1, httpVersion: '2.0' },
      { route: 'all', status: 200, grpcStatus: 15, attempts: 1, httpVersion: '2.0' },
      { route: 'all', status: 200, grpcStatus: 0, attempts: 2, httpVersion: '2.0' },
      { route: '-', status: 200, code: 'NO_ROUTE', grpcStatus: 12, attempts: 0, httpVersion: '2.0' },
      { route: '-', status: 404, code: 'NO_ROUTE', attempts: 0, httpVersion: '1.1' }
    ]
  )
})

t.test('a call that its client gives up is counted as CANCELLED', async (t) => {
  const server = await GrpcServer.start(t)
  const { proxy, client } = await between(t, {
    endpoints: [server.url],
    top: ['metrics'],
    config: { admin: { address: '127.0.0.1:0' } }
  })
  const { call, ended, next } = client.duplex()
  call.write({ responses: [{ size: 10 }] })
  await next()
  call.cancel()
  t.equal((await ended).code, status.CANCELLED)
  await server.until(({ cancelled }) => cancelled === 1, 'the cancellation')
  const expected = [
    'outrigger_requests_total{route="all",service="upstream",method="POST",code="499"} 1',
    'outrigger_grpc_requests_total{route="all",service="upstream",code="CANCELLED"} 1'
  ]
  const lines = await scrape(proxy, expected)
  t.same(
    lines.filter((line) => /^outrigger_(grpc_)?requests_total/.test(line)),
    expected
  )
  t.match(lines.join('\n'), /outcome="cancelled"\} 1/)
})

t.test('grpc.health.v1', async (t) => {
  const HEALTH = '/grpc.health.v1.Health'
  const health = (services: Record<string, string>) => ({
    routes: [
      {
        name: 'grpc-health',
        match: { path: `${HEALTH}/*` },
        plugins: [{ 'grpc-health': { services } }],
        reply: { status: 404 }
      }
    ]
  })
  /** A HealthCheckRequest. */
  const asking = (name: string) => Buffer.from(`\x0a${String.fromCharCode(name.length)}${name}`, 'latin1')

  t.test('Check, List and Watch, asked by a gRPC client', async (t) => {
    const server = await GrpcServer.start(t)
    const { client } = await between(t, {
      endpoints: [server.url],
      config: health({ 'shop.Orders': 'upstream' })
    })
    const serving = { code: status.OK, answer: Buffer.from([8, 1]) }
    t.match(await client.bytes(`${HEALTH}/Check`, asking('shop.Orders')), serving)
    t.match(await client.bytes(`${HEALTH}/Check`, Buffer.alloc(0)), serving, 'the sidecar itself')
    t.match(await client.bytes(`${HEALTH}/Check`, asking('shop.Stock')), {
      code: status.NOT_FOUND,
      details: 'no such service'
    })
    const list = await client.bytes(`${HEALTH}/List`, Buffer.alloc(0))
    t.equal(list.code, status.OK, list.details)
    t.match(list.answer?.toString('latin1'), /shop\.Orders/)
    t.match(await client.bytes(`${HEALTH}/Watch`, asking('')), { code: status.UNIMPLEMENTED })
    t.match(await client.bytes(`${HEALTH}/Check`, Buffer.alloc(17 * 1024)), {
      code: status.RESOURCE_EXHAUSTED
    })
    t.equal(server.calls.length, 0, 'the sidecar answers')
  })

  t.test('a service without endpoints is NOT_SERVING', async (t) => {
    const empty = definePlugin({
      name: 'empty',
      places: ['service'],
      setup: ({ service }) => {
        const [first] = service?.endpoints ?? []
        if (first !== undefined) service?.mark(first, 'unhealthy', 'a test')
      }
    })
    const { client } = await between(t, {
      endpoints: ['http://127.0.0.1:9'],
      service: { plugins: [empty] },
      config: health({ 'shop.Orders': 'upstream' })
    })
    t.match(await client.bytes(`${HEALTH}/Check`, asking('shop.Orders')), {
      code: status.OK,
      answer: Buffer.from([8, 2])
    })
  })

  t.test('a name of a service that nobody configured is an error at the start', async (t) => {
    await t.rejects(
      startTestProxy(t, { endpoints: ['http://127.0.0.1:9'], config: health({ 'shop.Orders': 'upstraem' }) }),
      { message: /there is no service "upstraem"/ }
    )
  })
})
