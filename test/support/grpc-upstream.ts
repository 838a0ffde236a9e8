import { createServer, type IncomingHttpHeaders, type ServerHttp2Stream } from 'node:http2'
import type { AddressInfo } from 'node:net'

interface Closing {
  teardown(close: () => unknown): unknown
}

/** An upstream that speaks h2c and whose streams the test answers itself. @returns its URL */
export async function startH2(
  t: Closing,
  onStream: (stream: ServerHttp2Stream, headers: IncomingHttpHeaders) => void
): Promise<string> {
  const server = createServer()
  const sessions = new Set<{ destroy(): void }>()
  server.on('session', (session) => sessions.add(session))
  server.on('stream', (stream, headers) => {
    stream.on('error', () => {})
    onStream(stream, headers)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => {
    for (const session of sessions) session.destroy()
    server.close()
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}
