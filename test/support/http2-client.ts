// Node's own HTTP/2 client, asked one request at a time.
import {
  type ClientHttp2Session,
  type ClientHttp2Stream,
  type ClientSessionOptions,
  connect,
  type IncomingHttpHeaders,
  type OutgoingHttpHeaders,
  type SecureClientSessionOptions
} from 'node:http2'

interface Closing {
  teardown(close: () => unknown): unknown
}

export interface Http2Answer {
  status: number
  headers: IncomingHttpHeaders
  /** 1xx that came before, in order. */
  hints: IncomingHttpHeaders[]
  body: Buffer
  text: string
  trailers: IncomingHttpHeaders | undefined
  /** The code that the stream was reset with; 0 where it ended well. */
  code: number
  /** The answer's own end was seen. */
  ended: boolean
}

export async function openSession(
  t: Closing,
  url: string,
  options: ClientSessionOptions | SecureClientSessionOptions = {}
): Promise<ClientHttp2Session> {
  const session = connect(url, options)
  // Its streams hear of it.
  session.on('error', () => {})
  t.teardown(() => session.destroy())
  await new Promise<void>((resolve, reject) => {
    session.once('connect', () => resolve())
    session.once('error', reject)
  })
  return session
}

/** What becomes of a stream; resolves when it has closed, whatever the end. */
export function answerOf(stream: ClientHttp2Stream): Promise<Http2Answer> {
  const answer: Http2Answer = {
    status: 0,
    headers: {},
    hints: [],
    body: Buffer.alloc(0),
    text: '',
    trailers: undefined,
    code: 0,
    ended: false
  }
  const chunks: Buffer[] = []
  stream.on('headers', (headers) => answer.hints.push(headers))
  stream.on('response', (headers) => {
    answer.headers = headers
    answer.status = Number(headers[':status'])
  })
  stream.on('trailers', (headers) => {
    answer.trailers = headers
  })
  stream.on('data', (chunk) => chunks.push(chunk))
  stream.on('end', () => {
    // Of a stream that is reset with an answer under way, Node says 'aborted' before 'end'.
    answer.ended = !stream.aborted
  })
  stream.on('error', () => {})
  return new Promise((resolve) => {
    stream.on('close', () => {
      answer.body = Buffer.concat(chunks)
      answer.text = answer.body.toString('latin1')
      answer.code = stream.rstCode ?? 0
      resolve(answer)
    })
  })
}

/** @param body null: END_STREAM with the head */
export function ask(
  session: ClientHttp2Session,
  headers: OutgoingHttpHeaders,
  body: Buffer | string | null = null
): Promise<Http2Answer> {
  const stream = session.request(headers, { endStream: body === null })
  const answer = answerOf(stream)
  if (body !== null) stream.end(body)
  return answer
}
