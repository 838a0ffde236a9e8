import { isPlain } from './document.js'
import type { Path } from './path.js'
import { quote } from './quote.js'
import type { Report } from './report.js'

/** What the keys of one listener ask of each other. */
export function checkListener(listener: Record<string, unknown>, path: Path, report: Report): void {
  const { tls, proxyProtocol, trustedProxies } = listener
  if (proxyProtocol === true && (trustedProxies === undefined || isEmpty(trustedProxies))) {
    report.add(
      [...path, 'proxyProtocol'],
      'expected "trustedProxies" beside it: a header of the PROXY protocol is read from those alone',
      'key'
    )
  }
  if (isPlain(tls)) checkTls(tls, [...path, 'tls'], report)
}

function checkTls(tls: Record<string, unknown>, path: Path, report: Report): void {
  const { ca, clientAuth, sni } = tls
  if ((clientAuth === 'request' || clientAuth === 'require') && ca === undefined) {
    report.add(
      [...path, 'clientAuth'],
      `expected "ca" beside ${quote(clientAuth)}: with the system's CAs anyone with a domain of their own would do`,
      'key'
    )
  }
  // Whoever wrote it expects that strangers are kept out.
  if (ca !== undefined && clientAuth === undefined) {
    report.add(
      [...path, 'ca'],
      'clients are not asked for a certificate without "clientAuth": write clientAuth: require, or request',
      'key'
    )
  }
  if (Array.isArray(sni)) checkSni(sni, [...path, 'sni'], report)
}

function checkSni(sni: unknown[], path: Path, report: Report): void {
  const taken = new Map<string, number>()
  for (const [index, each] of sni.entries()) {
    if (!isPlain(each)) continue
    const at = [...path, index]
    if (!Array.isArray(each.names)) continue
    for (const [position, one] of each.names.entries()) {
      if (typeof one !== 'string') continue
      const key = one.toLowerCase()
      const other = taken.get(key)
      if (other !== undefined) {
        const where = other === index ? 'there twice' : `a name of sni[${other}] too`
        report.add([...at, 'names', position], `${quote(one)} is ${where}`)
      } else taken.set(key, index)
    }
  }
}

function isEmpty(value: unknown): boolean {
  return Array.isArray(value) && value.length === 0
}
