// What Node itself takes to start and to stand there: a server, and nothing in front of or behind it.
import { createServer } from 'node:http'

const server = createServer((_request, response) => response.end('ok'))
server.listen(0, '127.0.0.1', () => console.log(`ready inbound http://127.0.0.1:${server.address().port}`))
process.on('SIGTERM', () => process.exit())
