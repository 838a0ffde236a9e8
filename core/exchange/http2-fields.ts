import type { OutgoingHttpHeaders } from 'node:http2'
import { isHopByHop } from './hop-by-hop.js'

/** As Node wants them: in lower case, a repeated field as a list. What belongs to a connection is not HTTP/2's. */
export function toObject(flat: readonly string[]): OutgoingHttpHeaders {
  const headers: OutgoingHttpHeaders = Object.create(null)
  for (let i = 0; i < flat.length; i += 2) {
    const name = (flat[i] as string).toLowerCase()
    if (isHopByHop(name)) continue
    const value = flat[i + 1] as string
    const before = headers[name]
    if (before === undefined) headers[name] = value
    else if (Array.isArray(before)) before.push(value)
    else headers[name] = [before as string, value]
  }
  return headers
}

/**
 * Every field once. Node refuses to repeat what is meant to come once (`date`, `content-type`); a service that does it
 * is answered for all the same, with what repetition means (RFC 9110 section 5.3).
 */
export function combined(headers: OutgoingHttpHeaders): OutgoingHttpHeaders {
  for (const [name, value] of Object.entries(headers)) {
    if (Array.isArray(value) && name !== 'set-cookie') headers[name] = [...new Set(value)].join(', ')
  }
  return headers
}

/** Whether a call of Node's refused a field for being there twice. */
export function isRepetition(error: unknown): boolean {
  return (error as NodeJS.ErrnoException).code === 'ERR_HTTP2_HEADER_SINGLE_VALUE'
}

/** Fields of the framing and of routing may be no trailers (RFC 9110 section 6.5.1). */
export function trailersOf(flat: readonly string[]): string[] {
  const trailers: string[] = []
  for (let i = 0; i < flat.length; i += 2) {
    const name = flat[i] as string
    if (isTrailer(name.toLowerCase())) trailers.push(name, flat[i + 1] as string)
  }
  return trailers
}

function isTrailer(name: string): boolean {
  return !name.startsWith(':') && name !== 'content-length' && name !== 'host' && !isHopByHop(name)
}
