import type { X509Certificate } from 'node:crypto'
import type { TLSSocket } from 'node:tls'
import type { ClientCertificate } from '../hooks/types.js'
import { namesIn } from './alternative-names.js'

/** What was found on each connection: once it has ended, its socket no longer says. */
const found = new WeakMap<TLSSocket, ClientCertificate | undefined>()

/**
 * The client's certificate, when it was asked for one and what it showed verifies and is valid today. A session that is
 * resumed carries the certificate it began with, without its being looked at again: hence the dates. And Node says
 * `authorized` of a resumed TLS 1.3 session without a certificate.
 *
 * @param socket of a server, its handshake done
 */
export function clientCertificate(socket: TLSSocket): ClientCertificate | undefined {
  if (found.has(socket)) return found.get(socket)
  const certificate = socket.authorized ? socket.getPeerX509Certificate() : undefined
  const described = certificate !== undefined && isValidNow(certificate) ? describe(certificate) : undefined
  found.set(socket, described)
  return described
}

function isValidNow({ validFrom, validTo }: X509Certificate): boolean {
  const now = Date.now()
  return Date.parse(validFrom) <= now && now < Date.parse(validTo)
}

export function describe(certificate: X509Certificate): ClientCertificate {
  const names = namesIn(certificate.subjectAltName)
  return {
    subject: distinguishedName(certificate.subject),
    uris: names.filter(({ kind }) => kind === 'URI').map(({ value }) => value),
    dnsNames: names.filter(({ kind }) => kind === 'DNS').map(({ value }) => value),
    fingerprint: certificate.fingerprint256.replaceAll(':', '').toLowerCase()
  }
}

/**
 * As RFC 2253 writes a name, the most specific part first. Node gives one part a line, the most general first, with
 * the escapes of RFC 2253 already there.
 *
 * @param lines as of an X509Certificate's `subject`; undefined where it is empty
 */
export function distinguishedName(lines: string | undefined): string {
  if (lines === undefined) return ''
  return (
    lines
      .split('\n')
      .reverse()
      // A plus within a value is escaped: these join the parts of one level.
      .map((part) => part.replaceAll(' + ', '+'))
      .join(',')
  )
}

const SPIFFE = /^spiffe:\/\//i
/** The SPIFFE-ID standard, section 2: neither port nor user, query nor fragment; no empty segment, and none of dots. */
const SPIFFE_ID = /^spiffe:\/\/[a-z\d._-]{1,255}(?:\/(?!\.{1,2}(?:\/|$))[A-Za-z\d._-]+)*$/
const LONGEST_ID = 2048

/**
 * Whose certificate it is: its SPIFFE ID, else its first DNS name. One with two SPIFFE IDs, or with one that is none,
 * is nobody's: of these the X509-SVID standard (section 5.2) wants that they be refused.
 */
export function identityOf({ uris, dnsNames }: ClientCertificate): string | undefined {
  const ids = uris.filter((uri) => SPIFFE.test(uri))
  if (ids.length === 0) return dnsNames[0]
  const [id] = ids
  return ids.length === 1 && id !== undefined && id.length <= LONGEST_ID && SPIFFE_ID.test(id)
    ? id
    : undefined
}
