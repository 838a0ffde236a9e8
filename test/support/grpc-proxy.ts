// A proxy between a gRPC client and its service, and a client that shows what is on the wire.
import { connect, type IncomingHttpHeaders } from 'node:http2'
import type { Test } from 'tap'
import type { StartedProxy } from '../../plugins/testing.js'
import { GrpcClient } from './grpc-client.js'
import { type ProxySetup, startTestProxy } from './proxy.js'

/** A proxy in front of gRPC endpoints, and a client for it. */
export async function between(
  t: Test,
  setup: ProxySetup
): Promise<{ proxy: StartedProxy; client: GrpcClient; url: string }> {
  const proxy = await startTestProxy(t, { ...setup, service: { protocol: 'h2c', ...setup.service } })
  const url = proxy.url('in')
  return { proxy, url, client: new GrpcClient(t, new URL(url).host) }
}

export interface RawAnswer {
  headers: IncomingHttpHeaders
  /** Nothing came behind the head. */
  alone: boolean
  body: string
  trailers: IncomingHttpHeaders | undefined
}

/** A call of a client that does not look at its own deadline, as it is on the wire. */
export function rawCall(
  t: Test,
  url: string,
  path: string,
  body: Buffer,
  fields: Record<string, string> = {}
): Promise<RawAnswer> {
  const session = connect(url)
  t.teardown(() => session.destroy())
  return new Promise((resolve, reject) => {
    session.on('error', reject)
    const stream = session.request({
      ':method': 'POST',
      ':path': path,
      'content-type': 'application/grpc',
      te: 'trailers',
      ...fields
    })
    stream.on('error', reject)
    const answer: RawAnswer = { headers: {}, alone: false, body: '', trailers: undefined }
    stream.on('response', (headers, flags) => {
      answer.headers = headers
      // END_STREAM
      answer.alone = (flags & 1) === 1
    })
    stream.on('trailers', (trailers) => {
      answer.trailers = trailers
    })
    stream.setEncoding('latin1')
    stream.on('data', (chunk: string) => {
      answer.body += chunk
    })
    stream.on('end', () => resolve(answer))
    stream.end(body)
  })
}

/** A message of the test service, as a call's body holds it. */
export function frame(message: object): Buffer {
  const bytes = Buffer.from(JSON.stringify(message))
  const prefix = Buffer.alloc(5)
  prefix.writeUInt32BE(bytes.length, 1)
  return Buffer.concat([prefix, bytes])
}
