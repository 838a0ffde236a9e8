// What the four services share: `node catalogue.mjs PORT...` starts one instance of the service on each port.
import { createServer } from 'node:http'

/**
 * @param {string} service its instances are called `service-a`, `service-b` and so on
 * @param {(request: { method: string, path: string, headers: object, body: Buffer, instance: string }) =>
 *   Promise<{ status?: number, body: object } | undefined> | { status?: number, body: object } | undefined} answer
 *   undefined: the connection is cut without an answer
 */
export function serve(service, answer) {
  const ports = process.argv.slice(2).map(Number)
  let listening = 0
  const servers = ports.map((port, i) => {
    const instance = `${service}-${String.fromCharCode(97 + i)}`
    const server = createServer((request, response) => {
      handle(request, response, instance, answer).catch(() => request.destroy())
    })
    server.on('error', (error) => {
      console.error(error.code === 'EADDRINUSE' ? `port ${port} is taken` : error.message)
      process.exit(2)
    })
    server.listen(port, '127.0.0.1', () => {
      if (++listening === ports.length) process.send?.('ready')
    })
    return server
  })
  process.once('SIGTERM', () => {
    process.disconnect?.()
    for (const server of servers) server.close()
    for (const server of servers) server.closeIdleConnections()
  })
  // Whoever started this has gone without a word.
  if (process.send !== undefined)
    process.once('disconnect', () => setTimeout(() => process.exit(), 2000).unref())
}

async function handle(request, response, instance, answer) {
  const chunks = []
  for await (const chunk of request) chunks.push(chunk)
  const { method, headers, url } = request
  const answered = await answer({ method, path: url, headers, body: Buffer.concat(chunks), instance })
  if (answered === undefined) return request.socket.destroy()
  const body = `${JSON.stringify({ ...answered.body, by: instance })}\n`
  response.writeHead(answered.status ?? 200, {
    'content-type': 'application/json',
    'content-length': Buffer.byteLength(body)
  })
  response.end(body)
}

export const notFound = { status: 404, body: { error: 'there is no such thing here' } }

/** A table of the newest entries: a shop that runs for days must not fill the memory. */
export class Newest extends Map {
  set(key, value) {
    super.set(key, value)
    if (this.size > 1000) this.delete(this.keys().next().value)
    return this
  }
}
