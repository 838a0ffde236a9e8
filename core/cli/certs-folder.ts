import { createPrivateKey, randomBytes, X509Certificate } from 'node:crypto'
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { checkPem } from '../tls/pem.js'
import { UsageError } from './failure.js'

/** A certificate and its private key, as PEM. */
export interface KeyPair {
  readonly cert: string
  readonly key: string
}

const FORCE = '--force makes another in its place'

/** Where a development CA and its certificates lie: `ca.pem`, `ca.key`, and a pair of files for each certificate. */
export class CertFolder {
  readonly #folder: string
  readonly #force: boolean

  /** @param force what is in the way is overwritten, the CA too */
  constructor(folder: string, force: boolean) {
    this.#folder = folder
    this.#force = force
  }

  /**
   * The CA that is there; undefined where one is to be made.
   *
   * @throws UsageError when what is there cannot sign, or is half of one
   */
  async authority(): Promise<KeyPair | undefined> {
    if (this.#force) return undefined
    const certFile = this.#file('ca.pem')
    const keyFile = this.#file('ca.key')
    const [cert, key] = await Promise.all([read(certFile), read(keyFile)])
    if (cert === undefined && key === undefined) return undefined
    if (cert === undefined || key === undefined) {
      const [there, missing] = cert === undefined ? [keyFile, certFile] : [certFile, keyFile]
      throw new UsageError(`${there} is there and ${missing} is not: ${FORCE}`)
    }
    const problem = authorityProblem(cert, key)
    if (problem !== undefined) throw new UsageError(`${certFile} ${problem}: ${FORCE}`)
    return { cert, key }
  }

  /** @throws UsageError when a file that is in the way is not one that this CA has made */
  async checkRoom(bases: readonly string[], authority: KeyPair | undefined): Promise<void> {
    if (this.#force) return
    for (const base of bases) {
      const [cert, key] = await Promise.all([
        read(this.#file(`${base}.pem`)),
        read(this.#file(`${base}.key`))
      ])
      if (cert === undefined && key === undefined) continue
      if (cert !== undefined && authority !== undefined && isIssued(cert, authority)) continue
      throw new UsageError(
        `${this.#file(`${base}.${cert === undefined ? 'key' : 'pem'}`)} is there and not of this CA: --force overwrites it`
      )
    }
  }

  /**
   * Each file whole or not at all, its key for nobody else to read.
   *
   * @returns what to say of it
   */
  async write(base: string, { cert, key }: KeyPair, about: string): Promise<string[]> {
    const files = [this.#file(`${base}.pem`), this.#file(`${base}.key`)] as const
    try {
      await mkdir(this.#folder, { recursive: true })
      await replace(files[1], key, 0o600)
      await replace(files[0], cert, 0o644)
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException
      const why = code === 'EEXIST' || code === 'ENOTDIR' ? 'a file is in the way' : message
      throw new UsageError(`${this.#folder} cannot be written: ${why}`)
    }
    return [`wrote  ${files[0]}  ${about}`, `wrote  ${files[1]}`]
  }

  #file(name: string): string {
    return join(this.#folder, name)
  }
}

function authorityProblem(cert: string, key: string): string | undefined {
  let certificate: X509Certificate
  try {
    certificate = checkPem({ ca: undefined, cert, key }) as X509Certificate
  } catch (error) {
    return `cannot be used: ${(error as Error).message}`
  }
  if (!certificate.ca) return 'is no CA'
  if (createPrivateKey(key).asymmetricKeyType !== 'rsa') return 'has a key that is not RSA'
  const now = Date.now()
  if (Date.parse(certificate.validFrom) > now) return 'is not valid yet'
  return Date.parse(certificate.validTo) <= now ? 'has expired' : undefined
}

function isIssued(cert: string, authority: KeyPair): boolean {
  try {
    const issuer = new X509Certificate(authority.cert)
    const certificate = new X509Certificate(cert)
    return certificate.checkIssued(issuer) && certificate.verify(issuer.publicKey)
  } catch {
    return false
  }
}

/** Undefined when there is none. */
async function read(file: string): Promise<string | undefined> {
  try {
    return await readFile(file, 'utf8')
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    if (code === 'ENOENT') return undefined
    throw new UsageError(`${file} cannot be read: ${code === 'ENOTDIR' ? 'a file is in the way' : message}`)
  }
}

async function replace(file: string, text: string, mode: number): Promise<void> {
  const next = `${file}.${randomBytes(4).toString('hex')}`
  try {
    await writeFile(next, text, { flag: 'wx', mode })
    await rename(next, file)
  } catch (error) {
    await rm(next, { force: true })
    throw error
  }
}
