// What stands behind the proxy here: the orders in use, and their next version.
import { createServer } from 'node:http'

const ports = process.env.PORTS || '233'

for (const [name, ending] of Object.entries({ orders: 11, 'orders-next': 21 })) {
  const server = createServer((request, response) => {
    response.end(`${name}: ${request.method} ${request.url}\n`)
  })
  server.listen(Number(`${ports}${ending}`), '127.0.0.1', () => {
    console.log(`${name} on http://127.0.0.1:${ports}${ending}`)
  })
}
