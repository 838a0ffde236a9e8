// Five instances of one service on ports of their own. Each takes some milliseconds to answer; one takes fifty times that.
//
//   node services.mjs FAST_MS SLOW_MS
import { createServer } from 'node:http'

const [fast, slow] = process.argv.slice(2).map(Number)

for (const name of ['a', 'b', 'c', 'd', 'e']) {
  const delay = name === 'e' ? slow : fast
  const server = createServer((_request, response) => {
    setTimeout(() => response.end('ok'), delay)
  })
  server.keepAliveTimeout = 60_000
  server.listen(0, '127.0.0.1', () => console.log(`ready ${name} http://127.0.0.1:${server.address().port}`))
}
