import { X509Certificate } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { isIPv6, SocketAddress } from 'node:net'
import { type AlternativeName, namesIn } from '../tls/alternative-names.js'
import { describe, distinguishedName, identityOf } from '../tls/peer.js'
import { certificatesIn } from '../tls/pem.js'
import { count, UsageError } from './failure.js'

const DAY = 86_400_000
/** RFC 5280 section 4.2.1.12. */
const USES: Readonly<Record<string, string>> = {
  '1.3.6.1.5.5.7.3.1': 'server',
  '1.3.6.1.5.5.7.3.2': 'client'
}

/**
 * `outrigger certs show`: what the certificates in a PEM or DER file say.
 *
 * @throws UsageError when there is none in it
 */
export async function certsShow(file: string): Promise<string> {
  let bytes: Buffer
  try {
    bytes = await readFile(file)
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    throw new UsageError(`${file} cannot be read: ${code === 'ENOENT' ? 'there is no such file' : message}`)
  }
  return certificatesOf(file, bytes).map(show).join('\n\n')
}

function certificatesOf(file: string, bytes: Buffer): X509Certificate[] {
  try {
    if (bytes.includes('-----BEGIN ')) return certificatesIn(bytes.toString('utf8'))
    return [new X509Certificate(bytes)]
  } catch (error) {
    const isPem = bytes.includes('-----BEGIN ')
    throw new UsageError(
      `${file} cannot be shown: ${isPem ? (error as Error).message : 'it is neither a PEM nor a DER certificate'}`
    )
  }
}

function show(certificate: X509Certificate): string {
  const described = describe(certificate)
  const { asymmetricKeyType: type = '?', asymmetricKeyDetails: details } = certificate.publicKey
  const size = details?.modulusLength ?? details?.namedCurve
  const rows: [label: string, value: string][] = [
    ['subject', described.subject],
    ['issuer', distinguishedName(certificate.issuer)],
    ['names', namesIn(certificate.subjectAltName).map(nameText).join(', ')],
    ['identity', identityOf(described) ?? ''],
    ['valid', validity(certificate)],
    ['use', useOf(certificate)],
    ['key', `${type}${size === undefined ? '' : ` ${size}`}`],
    ['serial', certificate.serialNumber.toLowerCase()],
    ['sha256', described.fingerprint]
  ]
  return rows.map(([label, value]) => `${label.padEnd(9)} ${printable(value) || '-'}`).join('\n')
}

function nameText({ kind, value }: AlternativeName): string {
  if (kind !== 'IP Address') return `${kind} ${value}`
  return `IP ${isIPv6(value) ? new SocketAddress({ address: value, family: 'ipv6' }).address : value}`
}

function validity({ validFrom, validTo }: X509Certificate): string {
  const [from, until] = [Date.parse(validFrom), Date.parse(validTo)]
  const now = Date.now()
  const days = (ms: number) => count(Math.floor(ms / DAY), 'day')
  const state =
    now < from
      ? `not yet: in ${days(from - now)}`
      : now < until
        ? `${days(until - now)} left`
        : `expired ${days(now - until)} ago`
  const text = (ms: number) => new Date(ms).toISOString().replace(/\.\d+Z$/, 'Z')
  return `${text(from)} to ${text(until)} (${state})`
}

function useOf(certificate: X509Certificate): string {
  const uses = (certificate.keyUsage ?? []).map((oid) => USES[oid] ?? oid)
  if (certificate.ca) return ['CA', ...uses].join(', ')
  return uses.length === 0 ? 'any' : uses.join(', ')
}

/** A certificate may hold what a terminal would act on. */
function printable(text: string): string {
  return text.replace(/\p{Cc}/gu, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`)
}
