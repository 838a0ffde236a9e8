// The server of the peers that bring none of their own: plain, or with TLS where a certificate is given.
import { readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { createServer as createSecureServer } from 'node:https'

/** What a server with TLS is given; undefined for a plain one. */
export function certificate() {
  const { CERTIFICATE, KEY } = process.env
  if (CERTIFICATE === undefined) return undefined
  return { cert: readFileSync(CERTIFICATE), key: readFileSync(KEY) }
}

export function serve(answer, upgrade) {
  const secure = certificate()
  const server = secure === undefined ? createServer(answer) : createSecureServer(secure, answer)
  if (upgrade !== undefined) server.on('upgrade', upgrade)
  server.listen(0, '127.0.0.1', 1024, () => {
    const scheme = secure === undefined ? 'http' : 'https'
    console.log(`ready inbound ${scheme}://127.0.0.1:${server.address().port}`)
  })
  // A profile is written by a process that ends, and not by one that is killed.
  process.on('SIGTERM', () => process.exit())
}
