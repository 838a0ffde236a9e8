/** A DNS name in lower case: labels of letters, digits, dashes and underscores. */
const LABEL = '[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?'
const DNS_NAME = new RegExp(`^${LABEL}(?:\\.${LABEL})*$`)
const ONE_LABEL = new RegExp(`^${LABEL}$`)

/** SPIFFE-ID section 2: the trust domain's and the path's characters. */
const TRUST_DOMAIN = '[a-z0-9._-]+'
const SEGMENT = '(?!\\.{1,2}(?:/|$))[A-Za-z0-9._-]+'
const SPIFFE = /^spiffe:/i
const SPIFFE_BELOW = new RegExp(`^spiffe://${TRUST_DOMAIN}(?:/${SEGMENT})*/\\*$`)
const SPIFFE_PATH = new RegExp(`^${SEGMENT}(?:/${SEGMENT})*$`)
const SPIFFE_ID = new RegExp(`^spiffe://${TRUST_DOMAIN}(?:/${SEGMENT})*$`)
/** Any other URI is held against the certificate's as it stands. */
const URI = /^[a-z][a-z0-9+.-]*:[\x21-\x7e]+$/

interface NamedCertificate {
  readonly uris: readonly string[]
  readonly dnsNames: readonly string[]
}

/**
 * What is wrong with an entry of an allow list; undefined: nothing.
 *
 * - `spiffe://shop.local/orders` and any other URI without `*`: that one, letter for letter
 * - `spiffe://shop.local/*`: every SPIFFE ID with a path below, of one segment or more
 * - `orders.shop.local`: that DNS name, in any case
 * - `*.shop.local`: one label in place of the star, as in RFC 9525
 */
export function nameProblem(entry: string): string | undefined {
  const shown = JSON.stringify(entry)
  if (!entry.includes(':')) {
    const name = entry.toLowerCase().replace(/^\*\./, '')
    if (DNS_NAME.test(name)) return undefined
    if (entry === '*') return 'expected names: whom the CA has signed at all is for the listener to say'
    return `expected a DNS name, *. and a DNS name, or a URI such as spiffe://shop.local/orders, not ${shown}`
  }
  if (entry.includes('*')) {
    if (SPIFFE_BELOW.test(entry)) return undefined
    return `expected the star behind the last slash of a SPIFFE ID, as in spiffe://shop.local/*, not ${shown}`
  }
  if (SPIFFE.test(entry) ? SPIFFE_ID.test(entry) : URI.test(entry)) return undefined
  return `expected a URI such as spiffe://shop.local/orders, scheme and trust domain in lower case, not ${shown}`
}

/**
 * Finds the name by which a certificate is allowed: of its URIs, and then of its DNS names, the first that an entry
 * covers. The subject is not looked at. A certificate with two SPIFFE IDs, or one that is malformed, is no one's (X509-SVID
 * section 5.2).
 *
 * @param allow each without a `nameProblem`
 */
export function allowedName(allow: readonly string[]): (certificate: NamedCertificate) => string | undefined {
  const exact = new Set<string>()
  const below: string[] = []
  const suffixes: string[] = []
  for (const entry of allow) {
    if (!entry.includes(':')) {
      const name = entry.toLowerCase()
      if (name.startsWith('*.')) suffixes.push(name.slice(1))
      else exact.add(name)
    } else if (entry.endsWith('/*')) below.push(entry.slice(0, -1))
    else exact.add(entry)
  }

  const uriAllowed = (uri: string) => {
    // Without a colon it is no URI, and must not pass for a DNS name.
    if (!uri.includes(':')) return false
    if (exact.has(uri)) return true
    for (const prefix of below) {
      if (uri.startsWith(prefix) && SPIFFE_PATH.test(uri.slice(prefix.length))) return true
    }
    return false
  }
  const dnsAllowed = (name: string) => {
    if (name.includes(':')) return false
    if (exact.has(name)) return true
    for (const suffix of suffixes) {
      if (name.endsWith(suffix) && ONE_LABEL.test(name.slice(0, -suffix.length))) return true
    }
    return false
  }
  return ({ uris, dnsNames }) => {
    if (!isOnes(uris)) return undefined
    for (const uri of uris) if (uriAllowed(uri)) return uri
    for (const each of dnsNames) {
      const name = each.toLowerCase()
      if (dnsAllowed(name)) return name
    }
    return undefined
  }
}

function isOnes(uris: readonly string[]): boolean {
  let ids = 0
  for (const uri of uris) {
    if (SPIFFE.test(uri) && (++ids > 1 || !SPIFFE_ID.test(uri))) return false
  }
  return true
}
