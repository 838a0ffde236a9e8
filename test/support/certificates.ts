import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

export interface Certificate {
  cert: string
  key: string
}

export interface CertificateOptions {
  /** The common name, and the one DNS name unless there are `names`. */
  name: string
  /** Who signs it. By default it does so itself. */
  issuer?: Certificate
  /** It may sign others. */
  authority?: boolean
  days?: number
  /** As openssl takes it. By default `/CN=name`. */
  subject?: string
  /** Alternative names as OpenSSL writes them: `DNS:orders,URI:spiffe://shop.local/orders,IP:127.0.0.1`. */
  names?: string
  /** With an issuer alone, both. In place of `days`. */
  from?: Date
  until?: Date
}

/** A certificate and its key, made by openssl. */
export function certificate(options: CertificateOptions): Certificate {
  const { name, issuer, authority = false, days = 2, names = `DNS:${name}`, from, until } = options
  const { subject = `/CN=${name}` } = options
  const folder = mkdtempSync(join(tmpdir(), 'outrigger-cert-'))
  const file = (base: string) => join(folder, base)
  const run = (...args: string[]) => execFileSync('openssl', args, { stdio: ['ignore', 'ignore', 'pipe'] })
  try {
    const extensions = authority
      ? 'basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign,cRLSign\n'
      : `subjectAltName=${names}\n`
    writeFileSync(file('ext'), extensions)
    const curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes']
    run('req', '-new', ...curve, '-keyout', file('key'), '-utf8', '-subj', subject, '-out', file('csr'))
    const sign = ['x509', '-req', '-in', file('csr'), '-extfile', file('ext'), '-out', file('cert')]
    if (issuer === undefined) {
      run(...sign, '-days', String(days), '-signkey', file('key'))
    } else {
      writeFileSync(file('ca.cert'), issuer.cert)
      writeFileSync(file('ca.key'), issuer.key)
      const by = ['-CA', file('ca.cert'), '-CAkey', file('ca.key')]
      if (from === undefined || until === undefined)
        run(...sign, '-days', String(days), ...by, '-CAcreateserial')
      else signBetween(from, until, file, run)
    }
    return { cert: readFileSync(file('cert'), 'utf8'), key: readFileSync(file('key'), 'utf8') }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

/** Only openssl's own little CA takes a date to begin with. */
function signBetween(
  from: Date,
  until: Date,
  file: (base: string) => string,
  run: (...args: string[]) => void
): void {
  writeFileSync(file('index'), '')
  writeFileSync(
    file('config'),
    `[ca]\ndefault_ca=own\n[own]\ndatabase=${file('index')}\nnew_certs_dir=${file('.')}\nrand_serial=yes\n` +
      `default_md=sha256\npolicy=any\n[any]\ncommonName=supplied\n`
  )
  const when = (date: Date) => `${date.toISOString().replace(/[-:T]|\.\d+Z/g, '')}Z`
  const by = ['-cert', file('ca.cert'), '-keyfile', file('ca.key'), '-extfile', file('ext')]
  const times = ['-startdate', when(from), '-enddate', when(until)]
  run(
    'ca',
    '-batch',
    '-notext',
    '-config',
    file('config'),
    ...by,
    ...times,
    '-in',
    file('csr'),
    '-out',
    file('cert')
  )
}
