// node busy.mjs JSON
// Keeps so many requests under way, each with a body of so many bytes: { "url", "lanes", "seconds", "bytes" }. Prints a
// line of JSON.
import { Agent, request } from 'node:http'

const { url, lanes, seconds, bytes } = JSON.parse(process.argv[2])
const agent = new Agent({ keepAlive: true })
const body = bytes > 0 ? Buffer.alloc(bytes, 'x') : undefined
const options = {
  agent,
  method: body === undefined ? 'GET' : 'POST',
  timeout: 60_000,
  headers: body === undefined ? {} : { 'content-length': bytes }
}

function ask() {
  return new Promise((resolve) => {
    const asked = request(url, options, (response) => {
      response.resume()
      response.once('error', () => resolve(false))
      response.once('end', () => resolve(response.statusCode === 200))
    })
    asked.once('error', () => resolve(false))
    asked.end(body)
  })
}

const startedAt = performance.now()
const end = startedAt + seconds * 1000
let done = 0
let failed = 0
async function lane() {
  while (performance.now() < end) {
    if (await ask()) done++
    else failed++
  }
}
await Promise.all(Array.from({ length: lanes }, lane))
console.log(JSON.stringify({ done, failed, seconds: (performance.now() - startedAt) / 1000 }))
process.exit()
