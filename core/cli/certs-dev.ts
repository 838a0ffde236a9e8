import { generateKeyPair, randomBytes, X509Certificate } from 'node:crypto'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { Host } from '../host.js'
import { WorkerPool } from '../workers/pool.js'
import { CertFolder, type KeyPair } from './certs-folder.js'
import { type Leaf, leavesOf } from './certs-leaves.js'
import type * as Sign from './certs-sign.worker.js'
import type { SigningRequest } from './certs-sign.worker.js'
import { snippet } from './certs-snippet.js'
import { UsageError } from './failure.js'

const DAY = 86_400_000
/** Days that a CA is valid: ten years, since who trusts it has put it into a store by hand. */
const AUTHORITY_DAYS = 3650
const MAX_DAYS = 3650
/** ms that a certificate is valid before it is made: clocks differ. */
const EARLIER = 300_000
const ORGANIZATION = 'outrigger development'

export interface CertsDevOptions {
  readonly out: string
  readonly name: readonly string[]
  readonly spiffe: readonly string[]
  /** As typed. */
  readonly days: string
  readonly force?: true
}

type Signer = (request: SigningRequest) => Promise<string>

/**
 * `outrigger certs dev`: certificates of a CA of one's own, for machines where nobody else trusts it.
 *
 * @returns what was written, and how it is put to use
 * @throws UsageError on a wrong argument, and when a file is in the way; nothing has been written then
 */
export async function certsDev(host: Host, options: CertsDevOptions): Promise<string> {
  const leaves = leavesOf(options.name, options.spiffe)
  const days = daysOf(options.days)
  const folder = new CertFolder(options.out, options.force === true)
  const known = await folder.authority()
  await folder.checkRoom(
    leaves.map(({ base }) => base),
    known
  )
  const workers = new WorkerPool({
    threads: 1,
    maxQueue: leaves.length + 1,
    maxHeap: 128 * 1024 ** 2,
    modules: host.modules
  })
  const sign: Signer = workers.bind<typeof Sign.sign>(
    new URL('./certs-sign.worker.js', import.meta.url),
    'sign',
    {
      timeout: 60_000
    }
  )
  try {
    const authority = known ?? (await makeAuthority(sign))
    const pairs = await Promise.all(leaves.map((leaf) => makeLeaf(leaf, days, authority, sign)))
    // Only what is whole is written, and all of it.
    const lines = known === undefined ? await folder.write('ca', authority, 'the CA: trust this one') : []
    if (known !== undefined)
      lines.push(`kept   ${join(options.out, 'ca.pem')}  the CA, until ${untilOf(known)}`)
    for (const [index, leaf] of leaves.entries()) {
      const pair = pairs[index] as KeyPair
      lines.push(...(await folder.write(leaf.base, pair, about(leaf, pair))))
    }
    return `${lines.join('\n')}\n\n${snippet(options.out, leaves[0] as Leaf)}`
  } finally {
    await workers.close(0)
  }
}

function daysOf(text: string): number {
  const days = Number(text)
  if (!/^\d+$/.test(text) || days < 1 || days > MAX_DAYS)
    throw new UsageError(`--days takes a whole number from 1 to ${MAX_DAYS}, not ${JSON.stringify(text)}`)
  return days
}

async function makeAuthority(sign: Signer): Promise<KeyPair> {
  const { publicKey, privateKey } = await newKeys()
  const now = Date.now()
  const cert = await sign({
    // Told apart from others of its kind, in a list of those that a browser trusts.
    commonName: `${ORGANIZATION} CA ${randomBytes(4).toString('hex')}`,
    organization: ORGANIZATION,
    publicKey,
    serial: newSerial(),
    from: now - EARLIER,
    until: now + AUTHORITY_DAYS * DAY,
    issuer: undefined,
    issuerKey: privateKey,
    dns: [],
    ips: [],
    uris: []
  })
  return { cert, key: privateKey }
}

async function makeLeaf(leaf: Leaf, days: number, authority: KeyPair, sign: Signer): Promise<KeyPair> {
  const { publicKey, privateKey } = await newKeys()
  const now = Date.now()
  const issuer = new X509Certificate(authority.cert)
  const cert = await sign({
    commonName: leaf.commonName,
    organization: ORGANIZATION,
    publicKey,
    serial: newSerial(),
    from: Math.max(now - EARLIER, Date.parse(issuer.validFrom)),
    // No certificate outlives its CA.
    until: Math.min(now + days * DAY, Date.parse(issuer.validTo)),
    issuer: authority.cert,
    issuerKey: authority.key,
    dns: leaf.dns,
    ips: leaf.ips,
    uris: leaf.uris
  })
  const made = new X509Certificate(cert)
  if (!made.checkIssued(issuer) || !made.verify(issuer.publicKey))
    throw new Error(`the certificate for ${leaf.base} does not verify by its CA`)
  return { cert, key: privateKey }
}

/** RSA, which alone node-forge has the structures for. */
async function newKeys(): Promise<{ publicKey: string; privateKey: string }> {
  return promisify(generateKeyPair)('rsa', {
    modulusLength: 2048,
    publicKeyEncoding: { type: 'spki', format: 'pem' },
    privateKeyEncoding: { type: 'pkcs8', format: 'pem' }
  })
}

/** RFC 5280 section 4.1.2.2: positive, 20 bytes at most; and none of them twice, without anyone keeping count. */
function newSerial(): string {
  const bytes = randomBytes(16)
  bytes[0] = ((bytes[0] as number) & 0x7f) | 0x40
  return bytes.toString('hex')
}

function about({ dns, ips, uris }: Leaf, pair: KeyPair): string {
  return `${[...dns, ...ips, ...uris].join(', ')}; until ${untilOf(pair)}`
}

function untilOf({ cert }: KeyPair): string {
  return new Date(Date.parse(new X509Certificate(cert).validTo)).toISOString().slice(0, 10)
}
