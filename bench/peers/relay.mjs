// node relay.mjs
// What no proxy on Node comes below: it passes on bytes as they come, with a connection of its own for each of a client's,
// and reads none of them.
import { connect, createServer } from 'node:net'

const { hostname, port } = new URL(process.env.UPSTREAM_A)

const server = createServer({ noDelay: true }, (client) => {
  const service = connect({ host: hostname, port: Number(port), noDelay: true })
  const ends = [client, service]
  for (const [at, end] of ends.entries()) {
    const other = ends[1 - at]
    end.on('data', (bytes) => {
      if (!other.write(bytes)) end.pause()
    })
    end.on('drain', () => other.resume())
    end.on('error', () => {})
    end.on('close', () => other.destroy())
  }
})
server.listen(0, '127.0.0.1', 4096, () => {
  console.log(`ready inbound http://127.0.0.1:${server.address().port}`)
})
// A profile is written by a process that ends, and not by one that is killed.
process.on('SIGTERM', () => process.exit())
