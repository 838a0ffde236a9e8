import { ProxyError } from '../errors.js'
import { expectsContinue, RequestHead, readField } from './request.js'

/** Fields of a header block; more are 431. */
const MAX_FIELDS = 100

/**
 * Reads a header block in one pass.
 *
 * @param raw the block, flat, pseudo fields first
 * @param alone nothing follows it
 * @throws ProxyError BAD_REQUEST, HEADERS_TOO_LARGE
 */
export function readBlock(raw: readonly string[], trusted: boolean, alone: boolean): RequestHead {
  if (raw.length > 2 * MAX_FIELDS) throw new ProxyError('HEADERS_TOO_LARGE', 'too many header fields')
  const head = new RequestHead(trusted)
  const { flat } = head.headers
  let host: string | undefined
  let cookieAt = -1
  for (let i = 0; i < raw.length; i += 2) {
    const name = raw[i] as string
    const value = raw[i + 1] as string
    switch (name) {
      case ':path':
        head.target = value
        continue
      case ':authority':
        head.authority = value
        flat.push('host', value)
        continue
      case ':method':
        if (value === 'CONNECT') refuse('there are no tunnels here')
        continue
      case ':scheme':
        continue
      case 'host':
        if (host !== undefined) refuse('more than one Host header')
        host = value
        continue
      case 'content-length':
        head.contentLength = Number(value)
        flat.push(name, value)
        continue
      case 'expect':
        head.expectsContinue = expectsContinue(value)
        continue
      case 'cookie':
        // Crumbs of one field (RFC 9113 section 8.2.3): HTTP/1 has a single one.
        if (cookieAt >= 0) {
          flat[cookieAt] += `; ${value}`
          continue
        }
        cookieAt = flat.length + 1
        break
    }
    readField(head, name, value)
  }
  if (head.authority === undefined) {
    if (host === undefined) refuse('neither :authority nor a Host header')
    head.authority = host as string
    flat.unshift('host', host as string)
  } else if (host !== undefined && host.toLowerCase() !== head.authority.toLowerCase()) {
    refuse(':authority and the Host header differ')
  }
  head.hasBody = !alone
  if (alone) head.contentLength = 0
  return head
}

function refuse(message: string): never {
  throw new ProxyError('BAD_REQUEST', message)
}
