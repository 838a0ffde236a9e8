import { isIP } from 'node:net'
import { identityOf } from '../tls/peer.js'
import { UsageError } from './failure.js'

/** A certificate to be made, by what it is to say. */
export interface Leaf {
  /** Of its files, which end in `.pem` and `.key`. */
  readonly base: string
  readonly commonName: string
  readonly dns: readonly string[]
  readonly ips: readonly string[]
  readonly uris: readonly string[]
}

const DEFAULT_NAME = 'localhost'
/** The trust domain of who names none. */
const TRUST_DOMAIN = 'dev.local'
const LABEL = '[a-z\\d_]([a-z\\d_-]{0,61}[a-z\\d_])?'
const NAME = new RegExp(`^(\\*\\.)?${LABEL}(\\.${LABEL})*$`)
/** RFC 5280, appendix A: `ub-common-name`. */
const LONGEST_COMMON_NAME = 64
const MAX_LEAVES = 100

/**
 * @param names of hosts; `*.example.com` and addresses too. Without any, the last parts of `spiffe`, or `localhost`
 * @param spiffe one for each name, in their order, or none: then each host has one of the trust domain `dev.local`
 * @throws UsageError on what is no name or no SPIFFE ID, and on counts that differ
 */
export function leavesOf(names: readonly string[], spiffe: readonly string[]): Leaf[] {
  for (const uri of spiffe) {
    if (identityOf({ subject: '', fingerprint: '', dnsNames: [], uris: [uri] }) !== uri)
      throw new UsageError(
        `--spiffe takes a SPIFFE ID such as spiffe://shop.local/orders, not ${JSON.stringify(uri)}`
      )
  }
  const given = names.length > 0 ? names : spiffe.map(nameIn)
  const all = given.length > 0 ? given : [DEFAULT_NAME]
  if (spiffe.length > 0 && spiffe.length !== all.length) {
    throw new UsageError(
      `--spiffe belongs to the --name at the same place: there are ${all.length} names and ${spiffe.length} SPIFFE IDs`
    )
  }
  if (all.length > MAX_LEAVES) throw new UsageError(`${all.length} names are too many: at most ${MAX_LEAVES}`)
  const leaves = all.map((name, index) => leaf(name.toLowerCase(), spiffe[index]))
  const bases = leaves.map(({ base }) => base)
  const twice = bases.find((base, index) => bases.indexOf(base) !== index)
  if (twice !== undefined) throw new UsageError(`the name ${JSON.stringify(twice)} is there twice`)
  return leaves
}

function leaf(name: string, spiffe: string | undefined): Leaf {
  const isAddress = isIP(name) !== 0
  if (!isAddress && (!NAME.test(name) || name.length > 253 || /^[\d.]+$/.test(name))) {
    throw new UsageError(
      `--name takes a host such as orders, *.example.com or 10.0.0.1, not ${JSON.stringify(name)}`
    )
  }
  if (name === 'ca') throw new UsageError('the name "ca" is that of the CA\'s own files')
  const isWild = name.startsWith('*.')
  const uri = spiffe ?? (isAddress || isWild ? undefined : `spiffe://${TRUST_DOMAIN}/${name}`)
  return {
    base: name.replace(/^\*/, '_wildcard').replaceAll(':', '_'),
    commonName: name.slice(0, LONGEST_COMMON_NAME),
    dns: [...new Set([...(isAddress ? [] : [name]), 'localhost'])],
    ips: [...new Set([...(isAddress ? [name] : []), '127.0.0.1', '::1'])],
    uris: uri === undefined ? [] : [uri]
  }
}

function nameIn(spiffe: string): string {
  const last = spiffe.slice(spiffe.lastIndexOf('/') + 1).toLowerCase()
  if (!NAME.test(last)) throw new UsageError(`${spiffe} ends in no host: say which one by --name`)
  return last
}
