// One exchange before the load, looked at more closely than a load generator does.
import { connect, type IncomingHttpHeaders } from 'node:http2'

/** ms */
const PATIENCE = 20_000

interface Answer {
  readonly headers: IncomingHttpHeaders
  readonly trailers: IncomingHttpHeaders
  readonly body: Buffer
}

/** @throws Error unless a GET is answered with 200 and a body of this length */
export async function checkPlain(url: string, bytes: number): Promise<void> {
  const { headers, body } = await ask(url, {}, undefined)
  const status = Number(headers[':status'])
  if (status !== 200 || body.length !== bytes)
    throw new Error(`${url} was answered with ${status} and ${body.length} bytes`)
}

/** @throws Error unless a gRPC call is answered with status 0 and so many messages of this length */
export async function checkCall(url: string, messages: number, bytes: number): Promise<void> {
  const message = Buffer.concat([Buffer.from([0, 0, 0, 0, bytes]), Buffer.alloc(bytes, 'x')])
  const { headers, trailers, body } = await ask(
    url,
    { ':method': 'POST', 'content-type': 'application/grpc', te: 'trailers' },
    message
  )
  const status = trailers['grpc-status'] ?? headers['grpc-status']
  const whole = body.equals(Buffer.concat(Array.from({ length: messages }, () => message)))
  if (Number(headers[':status']) !== 200 || status !== '0' || !whole)
    throw new Error(`${url} was answered with gRPC status ${status} and ${body.length} bytes`)
}

function ask(
  url: string,
  headers: Readonly<Record<string, string>>,
  body: Buffer | undefined
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const { origin, pathname, search } = new URL(url)
    const session = connect(origin)
    const end = (error: Error | undefined, answer?: Answer) => {
      session.destroy()
      if (answer === undefined) reject(error)
      else resolve(answer)
    }
    session.once('error', end)
    const stream = session.request(
      { ':path': pathname + search, ...headers },
      { endStream: body === undefined }
    )
    let answered: IncomingHttpHeaders = {}
    let trailers: IncomingHttpHeaders = {}
    const chunks: Buffer[] = []
    stream.setTimeout(PATIENCE, () => end(new Error(`${url} was not answered within ${PATIENCE} ms`)))
    stream.once('error', end)
    stream.once('response', (fields) => {
      answered = fields
    })
    stream.once('trailers', (fields) => {
      trailers = fields
    })
    stream.on('data', (chunk: Buffer) => chunks.push(chunk))
    stream.once('end', () => end(undefined, { headers: answered, trailers, body: Buffer.concat(chunks) }))
    if (body !== undefined) stream.end(body)
  })
}
