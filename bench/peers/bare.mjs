// What ours is held against: @fastify/http-proxy as its own README sets it up.
import proxy from '@fastify/http-proxy'
import fastify from 'fastify'

// Which of its protocols are switched on.
const options = JSON.parse(process.env.BARE ?? '{}')
const app = fastify(options.server)
app.register(proxy, { upstream: process.env.UPSTREAM_A, ...options.proxy })
const url = await app.listen({ host: '127.0.0.1', port: 0 })
console.log(`ready inbound ${url}`)
// A profile is written by a process that ends, and not by one that is killed.
process.on('SIGTERM', () => process.exit())
