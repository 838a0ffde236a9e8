// A service as it would be without a sidecar, but that it asks others through one address: its sidecar's.
import { createServer } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'

const ports = process.env.PORTS || '234'
const OUTBOUND = `http://127.0.0.1:${ports}01`

const server = createServer(async (request, response) => {
  const { status, text } = await answer(request.url)
  response.writeHead(status, { 'content-type': 'text/plain' }).end(`${text}\n`)
})

async function answer(path) {
  switch (path) {
    case '/price': {
      const rate = await fetch(`${OUTBOUND}/rates/eur`)
      return rate.ok ? { status: 200, text: `${await rate.text()} euro` } : { status: 502, text: 'no rate today' }
    }
    case '/report':
      await sleep(2000)
      return { status: 200, text: 'all is well, and it took two seconds to say' }
    case '/crash':
      return process.exit(1)
    default:
      return { status: 200, text: `hello from the app` }
  }
}

server.listen(Number(`${ports}10`), '127.0.0.1')

// The sidecar sends this when nothing is under way any more.
process.on('SIGTERM', () => {
  console.log('app: closing')
  server.close()
})
