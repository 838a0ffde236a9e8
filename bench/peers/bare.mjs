// node bare.mjs [reply-from]
// What ours is held against: @fastify/http-proxy as its own README sets it up; or what that is made of, without it.
import { createRequire } from 'node:module'
import proxy from '@fastify/http-proxy'
import fastify from 'fastify'
import { certificate } from './server.mjs'

// Which of its protocols are switched on.
const options = JSON.parse(process.env.BARE ?? '{}')
const app = fastify({ ...options.server, https: certificate() ?? null })
const upstream = process.env.UPSTREAM_A
if (process.argv[2] === 'reply-from') {
  // The copy that http-proxy has, and not one of another version.
  const ofProxy = createRequire(createRequire(import.meta.url).resolve('@fastify/http-proxy'))
  app.register(ofProxy('@fastify/reply-from'), { base: upstream })
  // Bodies pass by unread, as http-proxy has them.
  app.removeAllContentTypeParsers()
  app.addContentTypeParser('*', (_request, payload, done) => done(null, payload))
  app.all('/*', (request, reply) => reply.from(request.raw.url))
} else {
  app.register(proxy, { upstream, ...options.proxy })
}
const url = await app.listen({ host: '127.0.0.1', port: 0 })
console.log(`ready inbound ${url}`)
// A profile is written by a process that ends, and not by one that is killed.
process.on('SIGTERM', () => process.exit())
