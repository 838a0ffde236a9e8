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
  if (path.startsWith('/prices/')) {
    const rate = await fetch(`${OUTBOUND}/rates/eur`)
    if (!rate.ok) return { status: 502, text: 'no rate today' }
    return { status: 200, text: `${(10 * (await rate.json())).toFixed(2)} euro` }
  }
  if (path === '/report') {
    await sleep(3000)
    return { status: 200, text: 'a report that took three seconds' }
  }
  if (path === '/crash') process.exit(1)
  return { status: 200, text: 'hello from the app' }
}

server.listen(Number(`${ports}10`), '127.0.0.1')

// The sidecar sends this when nothing is under way any more.
process.on('SIGTERM', () => {
  console.log('app: closing')
  server.close()
})
