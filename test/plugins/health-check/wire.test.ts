// The checks on real sockets, and what becomes of them over a reload.
import { once } from 'node:events'
import { createServer, type Server as TcpServer } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { Server, ServerCredentials, type ServerUnaryCall, type sendUnaryData } from '@grpc/grpc-js'
import t, { type Test } from 'tap'
import type { StartedProxy } from '../../../plugins/testing.js'
import { startTestProxy } from '../../support/proxy.js'
import { closedPort, startUpstream } from '../../support/upstream.js'

const QUICK = { interval: 100, unhealthyInterval: 50, timeout: 1_000 }

const viewOf = (proxy: StartedProxy, at = 0) => proxy.proxy.services()[0]?.endpoints[at]

/** Resolves once `test` holds. @throws after 10 s */
async function until(test: () => boolean, what: string): Promise<void> {
  for (const end = Date.now() + 10_000; !test(); await sleep(10)) {
    if (Date.now() > end) throw new Error(`${what}: not in 10 s`)
  }
}

async function startTcp(t: Test, at: { port: number; host?: string } | { path: string }) {
  const seen = { connections: 0, open: 0, bytes: 0 }
  const server: TcpServer = createServer((socket) => {
    seen.connections++
    seen.open++
    socket.on('data', (chunk) => {
      seen.bytes += chunk.length
    })
    socket.on('error', () => {})
    socket.on('close', () => seen.open--)
  })
  server.listen(at)
  await once(server, 'listening')
  t.teardown(() => server.close())
  return { server, seen }
}

t.test('without a kind: a connection that is closed at once, and not a byte on it', async (t) => {
  const port = await closedPort()
  const plugins = [{ 'health-check': QUICK }]
  const proxy = await startTestProxy(t, { endpoints: [`http://127.0.0.1:${port}`], service: { plugins } })
  await until(() => viewOf(proxy)?.healthy === false, 'out')
  t.equal(viewOf(proxy)?.reason, 'tcp: no connection')
  const { seen, server } = await startTcp(t, { port, host: '127.0.0.1' })
  await until(() => viewOf(proxy)?.healthy === true, 'back')
  await until(() => seen.connections >= 3, 'three checks')
  await until(() => seen.open === 0, 'none left open')
  t.equal(seen.bytes, 0)
  server.close()
  await until(() => viewOf(proxy)?.healthy === false, 'out again')
})

t.test('tcp to a Unix socket', async (t) => {
  const path = join(t.testdir({}), 'app.sock')
  const plugins = [{ 'health-check': { tcp: true, ...QUICK } }]
  const proxy = await startTestProxy(t, { endpoints: [`unix:${path}`], service: { plugins } })
  await until(() => viewOf(proxy)?.healthy === false, 'out')
  await startTcp(t, { path })
  await until(() => viewOf(proxy)?.healthy === true, 'back')
})

t.test('http to a server that accepts and never answers: timed out', async (t) => {
  const { server } = await startTcp(t, { port: 0, host: '127.0.0.1' })
  const { port } = server.address() as { port: number }
  const plugins = [{ 'health-check': { http: {}, ...QUICK, timeout: 100 } }]
  const proxy = await startTestProxy(t, { endpoints: [`http://127.0.0.1:${port}`], service: { plugins } })
  await until(() => viewOf(proxy)?.healthy === false, 'out')
  t.equal(viewOf(proxy)?.reason, 'GET /healthz: timed out after 100ms')
})

type Status = (asked: string) => number | { code: number }

/** grpc.health.v1 on @grpc/grpc-js. */
async function startHealth(t: Test, status: Status | undefined): Promise<string> {
  const server = new Server()
  if (status !== undefined) {
    const method = {
      path: '/grpc.health.v1.Health/Check',
      requestStream: false as const,
      responseStream: false as const,
      requestSerialize: (bytes: Buffer) => bytes,
      requestDeserialize: (bytes: Buffer) => bytes,
      responseSerialize: (bytes: Buffer) => bytes,
      responseDeserialize: (bytes: Buffer) => bytes
    }
    server.addService(
      { Check: method },
      {
        Check: ({ request }: ServerUnaryCall<Buffer, Buffer>, done: sendUnaryData<Buffer>) => {
          const answer = status(request.toString('utf8', 2))
          if (typeof answer === 'number') done(null, Buffer.from([8, answer]))
          else done({ code: answer.code, details: 'no' })
        }
      }
    )
  }
  const port = await new Promise<number>((resolve, reject) =>
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) =>
      error ? reject(error) : resolve(bound)
    )
  )
  t.teardown(() => server.forceShutdown())
  return `http://127.0.0.1:${port}`
}

t.test('grpc: SERVING passes, and nothing else', async (t) => {
  let answer: ReturnType<Status> = 1
  const asked = new Set<string>()
  const url = await startHealth(t, (name) => {
    asked.add(name)
    return answer
  })
  const plugins = [{ 'health-check': { grpc: { service: 'shop.Stock' }, ...QUICK } }]
  const proxy = await startTestProxy(t, { endpoints: [url], service: { plugins, protocol: 'h2c' } })
  await until(() => asked.size > 0, 'asked')
  const others: [ReturnType<Status>, string][] = [
    [2, 'grpc: NOT_SERVING'],
    [3, 'grpc: SERVICE_UNKNOWN'],
    [0, 'grpc: UNKNOWN'],
    [{ code: 5 }, 'grpc: it does not know the service "shop.Stock"'],
    [{ code: 14 }, 'grpc: UNAVAILABLE']
  ]
  for (const [other, reason] of others) {
    answer = other
    await until(() => viewOf(proxy)?.healthy === false, reason)
    t.equal(viewOf(proxy)?.reason, reason)
    answer = 1
    await until(() => viewOf(proxy)?.healthy === true, 'back')
  }
  t.same([...asked], ['shop.Stock'])
})

t.test('grpc of a server without the service, and of one that is no gRPC server', async (t) => {
  const plugins = [{ 'health-check': { grpc: {}, ...QUICK } }]
  const url = await startHealth(t, undefined)
  const without = await startTestProxy(t, { endpoints: [url], service: { plugins, protocol: 'h2c' } })
  await until(() => viewOf(without)?.healthy === false, 'out')
  t.equal(viewOf(without)?.reason, 'grpc: it does not serve grpc.health.v1.Health')
  const plain = await startUpstream(t, (_request, response) => response.writeHead(404).end())
  const proxy = await startTestProxy(t, { endpoints: [plain.url], service: { plugins } })
  await until(() => viewOf(proxy)?.healthy === false, 'out')
  t.equal(viewOf(proxy)?.reason, 'grpc: 404 and no grpc-status: no gRPC server')
})

t.test('what is known holds over a reload; without the plugin it is forgotten', async (t) => {
  const checks = { a: 0, b: 0 }
  const up = (name: 'a' | 'b', status: number) =>
    startUpstream(t, (request, response) => {
      if (request.url === '/healthz') checks[name]++
      response.writeHead(request.url === '/healthz' ? status : 200).end()
    })
  const [a, b] = await Promise.all([up('a', 500), up('b', 200)])
  const config = (plugins: object[]) => ({
    listeners: { in: { address: '127.0.0.1:0' } },
    admin: false,
    services: { upstream: { endpoints: [a.url, b.url], plugins } },
    routes: [{ name: 'all', match: { path: '/*' }, service: 'upstream' }]
  })
  const check = (more: object) => ({ 'health-check': { http: {}, ...QUICK, ...more } })
  const proxy = await startTestProxy(t, { endpoints: [], config: config([check({ interval: '1h' })]) })
  await until(() => viewOf(proxy)?.healthy === false, 'out')
  await until(() => checks.b === 1, 'the other one is checked')
  await proxy.proxy.reload(config([check({ healthyAfter: 3 })]))
  t.equal(viewOf(proxy)?.healthy, false, 'it is out still')
  await until(() => checks.b >= 4, 'the new interval holds at once, and not after an hour')
  t.equal(viewOf(proxy)?.healthy, false)
  await proxy.proxy.reload(config([]))
  await until(() => viewOf(proxy)?.healthy === true, 'in again')
  const before = { ...checks }
  await sleep(300)
  t.same(checks, before, 'and nobody checks')
})
