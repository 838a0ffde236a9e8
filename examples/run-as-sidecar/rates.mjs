// A service elsewhere that others depend on. It refuses every other request.
import { createServer } from 'node:http'

const ports = process.env.PORTS || '234'
let asked = 0

const server = createServer((_request, response) => {
  if (++asked % 2 === 1) response.writeHead(503).end()
  else response.end('1.07')
})
server.listen(Number(`${ports}20`), '127.0.0.1', () => console.log(`rates on http://127.0.0.1:${ports}20`))
