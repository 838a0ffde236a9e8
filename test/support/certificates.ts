import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

export interface Certificate {
  cert: string
  key: string
}

/** A certificate for one DNS name, made by openssl: signed by `issuer`, or by itself. */
export function certificate(options: {
  name: string
  issuer?: Certificate
  authority?: boolean
  days?: number
}): Certificate {
  const { name, issuer, authority = false, days = 2 } = options
  const folder = mkdtempSync(join(tmpdir(), 'outrigger-cert-'))
  const file = (base: string) => join(folder, base)
  try {
    const extensions = authority
      ? 'basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign,cRLSign\n'
      : `subjectAltName=DNS:${name}\n`
    writeFileSync(file('ext'), extensions)
    const run = (...args: string[]) => execFileSync('openssl', args, { stdio: ['ignore', 'ignore', 'pipe'] })
    run(
      'req',
      '-new',
      '-newkey',
      'ec',
      '-pkeyopt',
      'ec_paramgen_curve:P-256',
      '-nodes',
      '-keyout',
      file('key'),
      '-subj',
      `/CN=${name}`,
      '-out',
      file('csr')
    )
    const sign = [
      'x509',
      '-req',
      '-in',
      file('csr'),
      '-days',
      String(days),
      '-extfile',
      file('ext'),
      '-out',
      file('cert')
    ]
    if (issuer === undefined) {
      run(...sign, '-signkey', file('key'))
    } else {
      writeFileSync(file('ca.cert'), issuer.cert)
      writeFileSync(file('ca.key'), issuer.key)
      run(...sign, '-CA', file('ca.cert'), '-CAkey', file('ca.key'), '-CAcreateserial')
    }
    return { cert: readFileSync(file('cert'), 'utf8'), key: readFileSync(file('key'), 'utf8') }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}
