// curl, openssl and Node as clients of a TLS listener, and the certificates of both ends.
import { spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { get as httpsGet } from 'node:https'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { ConnectionOptions, connect, SecureVersion } from 'node:tls'
import type { Test } from 'tap'
import { type Certificate, certificate } from '../support/certificates.js'

export const ca = certificate({ name: 'shop CA', authority: true })
export const otherCa = certificate({ name: 'a stranger CA', authority: true })
export const server = certificate({ name: 'localhost', issuer: ca, names: 'DNS:localhost,IP:127.0.0.1' })

export interface Files {
  readonly cert: string
  readonly key: string
}

/** A folder of PEM files, gone with the test. */
export class PemFolder {
  readonly path: string
  readonly ca: string

  constructor(t: Test) {
    // More than one in a test: `testdir` would empty the one before.
    this.path = mkdtempSync(join(tmpdir(), 'outrigger-tls-'))
    t.teardown(() => rmSync(this.path, { recursive: true, force: true }))
    this.ca = this.text('ca.pem', ca.cert)
  }

  text(name: string, text: string): string {
    const file = join(this.path, name)
    writeFileSync(file, text)
    return file
  }

  pair(base: string, { cert, key }: Certificate): Files {
    return { cert: this.text(`${base}.pem`, cert), key: this.text(`${base}.key`, key) }
  }
}

export interface Ended {
  readonly code: number | null
  readonly out: string
  readonly err: string
}

/** A command and what it said; killed after 10 s. */
export function run(file: string, args: readonly string[], input = ''): Promise<Ended> {
  return new Promise((resolve, reject) => {
    const child = spawn(file, args, { stdio: 'pipe', timeout: 10_000, killSignal: 'SIGKILL' })
    let out = ''
    let err = ''
    child.stdout.on('data', (chunk) => (out += chunk))
    child.stderr.on('data', (chunk) => (err += chunk))
    child.stdin.on('error', () => {})
    child.stdin.end(input)
    child.once('error', reject)
    child.once('close', (code) => resolve({ code, out, err }))
  })
}

export interface Asking {
  /** Default `localhost`; null: none is sent. */
  readonly name?: string | null
  readonly version?: '1.2' | '1.3'
  readonly show?: Files
  readonly alpn?: readonly string[]
  readonly path?: string
}

export interface Answer {
  /** 0 where there was none. */
  readonly status: number
  readonly body: string
  /** `TLSv1.3`, as far as the client says. */
  readonly protocol: string | undefined
  readonly alpn: string | undefined
  /** The common name of the server's certificate, as far as the client says. */
  readonly shown: string | undefined
  /** What the client complained of. */
  readonly trouble: string
}

type Client = (port: number, caFile: string, asking?: Asking) => Promise<Answer>

/** With curl the name of the URL is verified too. */
export const curl: Client = async (port, caFile, asking = {}) => {
  const { name = 'localhost', version, show, alpn, path = '/' } = asking
  const host = name ?? '127.0.0.1'
  const args = [
    '-s',
    '-S',
    '-v',
    '--cacert',
    caFile,
    '--connect-to',
    `::127.0.0.1:${port}`,
    '--max-time',
    '8'
  ]
  if (version !== undefined) args.push(`--tlsv${version}`, '--tls-max', version)
  if (show !== undefined) args.push('--cert', show.cert, '--key', show.key)
  if (alpn !== undefined && !alpn.includes('h2')) args.push('--http1.1')
  const { code, out, err } = await run('curl', [
    ...args,
    '-w',
    '\n%{http_code}',
    `https://${host}:${port}${path}`
  ])
  const end = out.lastIndexOf('\n')
  return {
    status: Number(out.slice(end + 1)),
    body: out.slice(0, end),
    protocol: /SSL connection using (\S+)/.exec(err)?.[1],
    alpn: /ALPN: server accepted (\S+)/.exec(err)?.[1],
    shown: /subject: CN=(\S+)/.exec(err)?.[1],
    trouble: code === 0 ? '' : `curl ends with ${code}: ${/curl: .*/.exec(err)?.[0]}`
  }
}

export const openssl: Client = async (port, caFile, asking = {}) => {
  const { name = 'localhost', version, show, alpn, path = '/' } = asking
  const args = [
    's_client',
    '-connect',
    `127.0.0.1:${port}`,
    '-CAfile',
    caFile,
    '-verify_return_error',
    '-ign_eof'
  ]
  args.push(...(name === null ? ['-noservername'] : ['-servername', name, '-verify_hostname', name]))
  if (version !== undefined) args.push(`-tls${version.replace('.', '_')}`)
  if (show !== undefined) args.push('-cert', show.cert, '-key', show.key)
  if (alpn !== undefined) args.push('-alpn', alpn.join(','))
  const request = `GET ${path} HTTP/1.1\r\nhost: ${name ?? 'localhost'}\r\nconnection: close\r\n\r\n`
  const { code, out, err } = await run('openssl', args, request)
  const answer = /HTTP\/1\.1 (\d{3}) [\s\S]*?\r\n\r\n([\s\S]*?)(?:closed|---|$)/.exec(out)
  return {
    status: Number(answer?.[1] ?? 0),
    body: answer?.[2]?.trim() ?? '',
    protocol: /New, (TLSv[\d.]+),/.exec(out)?.[1],
    alpn: /ALPN protocol: (\S+)/.exec(out)?.[1],
    shown: /subject=CN ?= ?(\S+)/.exec(out)?.[1],
    trouble: code === 0 && answer !== null ? '' : `openssl ends with ${code}: ${err.slice(-400)}`
  }
}

export const node: Client = (port, caFile, asking = {}) => {
  const { name = 'localhost', version, show, path = '/', alpn = ['http/1.1'] } = asking
  const only = version === undefined ? undefined : (`TLSv${version}` as SecureVersion)
  return new Promise((resolve) => {
    const none = { status: 0, body: '', protocol: undefined, alpn: undefined, shown: undefined }
    const request = httpsGet(
      {
        host: '127.0.0.1',
        port,
        path,
        agent: false,
        servername: name ?? '',
        ALPNProtocols: [...alpn],
        headers: { host: name ?? '127.0.0.1' },
        ...pems(caFile, show),
        ...(only === undefined ? {} : { minVersion: only, maxVersion: only })
      },
      (response) => {
        const socket = response.socket as ReturnType<typeof connect>
        const { alpnProtocol } = socket
        const said = {
          status: response.statusCode ?? 0,
          protocol: socket.getProtocol() ?? undefined,
          alpn: alpnProtocol === false || alpnProtocol === null ? undefined : alpnProtocol,
          shown: [socket.getPeerCertificate().subject?.CN].flat()[0]
        }
        let body = ''
        response.setEncoding('utf8').on('data', (chunk) => (body += chunk))
        response.once('end', () => resolve({ ...said, body, trouble: '' }))
        response.once('error', (error) => resolve({ ...none, trouble: error.message }))
      }
    )
    request.setTimeout(8_000, () => request.destroy(new Error('no answer in 8 s')))
    request.once('error', (error: NodeJS.ErrnoException) =>
      resolve({ ...none, trouble: `${error.code}: ${error.message}` })
    )
  })
}

/** Read at each call: a test may have put others in their place. */
export function pems(caFile: string, show: Files | undefined): ConnectionOptions {
  return {
    ca: readFileSync(caFile),
    ...(show === undefined ? {} : { cert: readFileSync(show.cert), key: readFileSync(show.key) })
  }
}

export const clients = { curl, openssl, node }
