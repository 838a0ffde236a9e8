import { createPrivateKey, X509Certificate } from 'node:crypto'
import { createSecureContext, type SecureContext, type SecureContextOptions } from 'node:tls'

/** The text of PEM files; undefined where none is named. */
export interface Pem {
  readonly ca: string | undefined
  readonly cert: string | undefined
  readonly key: string | undefined
}

export type PemPart = keyof Pem

/** PEM text that cannot be used. The message says what is wrong with it, and no file's name. */
export class PemError extends Error {
  readonly part: PemPart

  constructor(part: PemPart, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause })
    this.name = 'PemError'
    this.part = part
  }
}

const MARK = /^-----(BEGIN|END) ([A-Z0-9 ]+)-----\s*$/gm

/**
 * The certificates of a PEM file, in their order. OpenSSL's own reader takes what it can and says nothing of the rest:
 * of a file that is still being written it would make a shorter list of CAs.
 *
 * @throws Error when there is none, or when any is cut off or is no certificate
 */
export function certificatesIn(text: string): X509Certificate[] {
  const certificates: X509Certificate[] = []
  let open: { label: string; at: number } | undefined
  for (const { 0: mark, 1: kind, 2: label = '', index } of text.matchAll(MARK)) {
    if (kind === 'BEGIN') {
      if (open !== undefined) break
      open = { label, at: index }
    } else if (open?.label !== label) {
      throw new Error(`the end of a ${label.toLowerCase()} stands without its beginning`)
    } else {
      if (label.endsWith('CERTIFICATE')) certificates.push(parse(text.slice(open.at, index + mark.length)))
      open = undefined
    }
  }
  if (open !== undefined) throw new Error(`a ${open.label.toLowerCase()} is cut off`)
  if (certificates.length === 0) throw new Error('there is no certificate in it')
  return certificates
}

function parse(block: string): X509Certificate {
  try {
    return new X509Certificate(block)
  } catch (cause) {
    throw new Error('a certificate is broken', { cause })
  }
}

/**
 * Sees to it that each part is whole, and that certificate and key belong together. What Node makes a context of need
 * not: a certificate for RSA and a key for EC are to OpenSSL two halves of pairs whose other halves are still to come.
 *
 * @returns the certificate that is shown; undefined without one
 * @throws PemError
 */
export function checkPem({ ca, cert, key }: Pem): X509Certificate | undefined {
  if (ca !== undefined) certificatesOf('ca', ca)
  const [leaf] = cert === undefined ? [] : certificatesOf('cert', cert)
  if (key === undefined) return leaf
  if (/^Proc-Type: 4,ENCRYPTED|^-----BEGIN ENCRYPTED PRIVATE KEY/m.test(key)) {
    throw new PemError('key', 'the key is encrypted: one without a passphrase is needed')
  }
  let privateKey: ReturnType<typeof createPrivateKey>
  try {
    privateKey = createPrivateKey(key)
  } catch (cause) {
    throw new PemError('key', 'there is no whole private key in it', cause)
  }
  if (leaf !== undefined && !leaf.checkPrivateKey(privateKey))
    throw new PemError('cert', 'does not go with its key: the key is that of another certificate')
  return leaf
}

function certificatesOf(part: PemPart, text: string): X509Certificate[] {
  try {
    return certificatesIn(text)
  } catch (cause) {
    throw new PemError(part, (cause as Error).message, cause)
  }
}

/** @throws Error on what OpenSSL does not take, such as a key that is too short for its security level */
export function contextOf({ ca, cert, key }: Pem, options: SecureContextOptions = {}): SecureContext {
  return createSecureContext({
    ...options,
    ...(ca === undefined ? {} : { ca }),
    ...(cert === undefined ? {} : { cert }),
    ...(key === undefined ? {} : { key })
  })
}
