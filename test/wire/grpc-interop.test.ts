// gRPC's interoperability cases, with @grpc/grpc-js at both ends: without the proxy, and through it over each mix of
// h2c and TLS.
import { join } from 'node:path'
import t from 'tap'
import { certificate } from '../support/certificates.js'
import { GrpcClient } from '../support/grpc-client.js'
import { interop } from '../support/grpc-interop.js'
import { GrpcServer } from '../support/grpc-server.js'
import { startTestProxy } from '../support/proxy.js'

const ca = certificate({ name: 'test authority', authority: true })
const leaf = certificate({ name: 'localhost', issuer: ca })

t.test('client and server alone, h2c', async (t) => {
  const server = await GrpcServer.start(t)
  await interop(t, { server, client: new GrpcClient(t, server.address) })
})

t.test('client and server alone, TLS', async (t) => {
  const server = await GrpcServer.start(t, leaf)
  await interop(t, { server, client: new GrpcClient(t, server.address, ca.cert) })
})

for (const [from, to] of [
  ['h2c', 'h2c'],
  ['TLS', 'TLS'],
  ['TLS', 'h2c'],
  ['h2c', 'TLS']
] as const) {
  t.test(`through the proxy, ${from} to ${to}`, async (t) => {
    const directory = t.testdir({ 'ca.pem': ca.cert, 'server.pem': leaf.cert, 'server.key': leaf.key })
    const file = (name: string) => join(directory, name)
    const server = await GrpcServer.start(t, to === 'TLS' ? leaf : undefined)
    const service =
      to === 'TLS'
        ? { protocol: 'h2', tls: { ca: file('ca.pem'), serverName: 'localhost' } }
        : { protocol: 'h2c' }
    const tls = from === 'TLS' ? { tls: { cert: file('server.pem'), key: file('server.key') } } : {}
    const proxy = await startTestProxy(t, {
      endpoints: [server.url],
      service,
      config: { listeners: { in: { address: '127.0.0.1:0', ...tls } } }
    })
    const address = new URL(proxy.url()).host
    const client = new GrpcClient(t, address, from === 'TLS' ? ca.cert : undefined)
    await interop(t, { server, client })
  })
}
