// Takes payments, by gRPC, of whoever reaches it. That is its sidecar alone, by a socket in this folder.
import { rmSync } from 'node:fs'
import { Server, ServerCredentials } from '@grpc/grpc-js'
import { charge } from './shop-payment.mjs'

const SOCKET = 'payment.sock'
let receipts = 0

const server = new Server()
server.addService(
  { charge },
  { charge: ({ request }, answer) => answer(null, { receipt: `${request.amount} euro, no. ${++receipts}` }) }
)

// One that was killed has left its socket behind.
rmSync(SOCKET, { force: true })
server.bindAsync(`unix:${SOCKET}`, ServerCredentials.createInsecure(), (error) => {
  if (error) throw error
})

process.on('SIGTERM', () => server.tryShutdown(() => {}))
