import { ProxyError } from '../errors.js'
import { isNamed } from '../http1/fields.js'
import { namedByConnection, removeNamed } from './hop-by-hop.js'
import { expectsContinue, RequestHead, readField } from './request.js'

/** Fields of a header block; more are 431. */
const MAX_FIELDS = 100

/**
 * Reads the fields of a request over HTTP/1 in one pass: hop-by-hop ones, those the client named in `Connection` and the
 * identity headers that only a proxy may set are left out, before any plugin sees them.
 *
 * @param raw flat, as sent
 * @param minor of its version, 1.0 or 1.1
 * @param upgrading it changes protocols if its service agrees
 * @throws ProxyError BAD_REQUEST, HEADERS_TOO_LARGE
 */
export function readHttp1Head(
  target: string,
  raw: readonly string[],
  minor: number,
  upgrading: boolean,
  trusted: boolean
): RequestHead {
  if (raw.length > 2 * MAX_FIELDS) throw new ProxyError('HEADERS_TOO_LARGE', 'too many header fields')
  const head = new RequestHead(trusted)
  head.target = target
  let named: string[] | undefined
  for (let i = 0; i < raw.length; i += 2) {
    const name = raw[i] as string
    const value = raw[i + 1] as string
    switch (name.length) {
      case 4:
        if (isNamed(name, 'host')) {
          if (head.authority !== undefined) refuse('more than one Host header')
          head.authority = value
        }
        break
      case 6:
        if (isNamed(name, 'expect')) {
          // HTTP/1.0 knows no 100, and what asks for one there is to be ignored (RFC 9110 section 10.1.1).
          if (minor > 0) head.expectsContinue = expectsContinue(value)
          continue
        }
        break
      case 7:
        if (upgrading && isNamed(name, 'upgrade')) head.upgrade = value.toLowerCase()
        break
      case 10:
        if (isNamed(name, 'connection')) {
          const more = namedByConnection(value)
          if (more !== undefined) named = named === undefined ? more : named.concat(more)
          continue
        }
        break
      case 14:
        if (isNamed(name, 'content-length')) {
          head.contentLength = Number(value)
          head.headers.flat.push(name, value)
          continue
        }
        break
      case 17:
        if (isNamed(name, 'transfer-encoding')) {
          // The one coding that can be sent on; what another would mean, two readers may not agree on.
          if (head.chunked || value.toLowerCase() !== 'chunked' || minor === 0)
            refuse('a transfer coding other than chunked')
          head.chunked = true
          continue
        }
        break
    }
    readField(head, name, value)
  }
  if (named !== undefined) {
    // Host and framing are not the client's to have removed.
    removeNamed(
      head.headers.flat,
      named.filter((name) => name !== 'host' && name !== 'content-length')
    )
  }
  if (upgrading && (head.chunked || (head.contentLength ?? 0) > 0)) refuse('an upgrade with a body')
  head.hasBody = head.chunked || (head.contentLength ?? 0) > 0
  if (head.chunked) head.contentLength = undefined
  else head.contentLength ??= 0
  if (head.authority === undefined && minor > 0) refuse('the Host header is missing')
  return head
}

function refuse(message: string): never {
  throw new ProxyError('BAD_REQUEST', message)
}
