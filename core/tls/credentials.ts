import { readFileSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import type { SecureContext } from 'node:tls'
import type { LogFields, Logger } from '../hooks/plugin.js'
import { checkPem, contextOf, type Pem, PemError, type PemPart } from './pem.js'

const PARTS: readonly PemPart[] = ['ca', 'cert', 'key']

/** Absolute names of PEM files. */
export interface CredentialFiles {
  /** Undefined: the system's. */
  readonly ca: string | undefined
  readonly cert: string | undefined
  readonly key: string | undefined
}

/** What PEM files held when they were last seen whole. */
export interface Credentials {
  readonly pem: Pem
  /** Made of no more than these; whoever needs options makes one of `pem`. */
  readonly context: SecureContext
  /** Grows with each change, and is another one for other files. */
  readonly version: number
  /** @returns what ends the calls */
  onChange(listener: () => void): () => void
}

let versions = 0

/** One set of files, and everyone who holds it. */
export class LiveCredentials implements Credentials {
  readonly files: CredentialFiles
  holders = 0
  pem: Pem
  context: SecureContext
  version: number
  readonly #log: Logger
  readonly #listeners = new Set<() => void>()
  /** What the last look saw and could not use; compared by `===` of its parts. */
  #bad: Partial<Pem> | undefined
  #told = false
  /** One reads at a time: of two, the one that began first could be the last to be done, and bring back what was. */
  #turn: Promise<void> = Promise.resolve()

  /** @throws Error that names the file, when any cannot be read or they do not belong together */
  constructor(files: CredentialFiles, log: Logger) {
    this.files = files
    this.#log = log
    const [ca, cert, key] = PARTS.map((part) => this.#readNow(part))
    this.pem = { ca, cert, key }
    this.context = this.#make(this.pem)
    this.version = ++versions
  }

  onChange(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => void this.#listeners.delete(listener)
  }

  /**
   * Reads the files again and takes what is new, if it can be used.
   *
   * @returns `bad` when it cannot, and nobody has been told as it may be half of a change: to be looked at again
   */
  async look(): Promise<'good' | 'bad'> {
    try {
      await this.refresh()
      return 'good'
    } catch (error) {
      const { seen, message } = error as UnusableError
      const again = this.#bad !== undefined && PARTS.every((part) => this.#bad?.[part] === seen[part])
      if (!again) this.#told = false
      this.#bad = seen
      if (again && !this.#told) {
        this.#told = true
        this.#log.warn(this.#named(), `the certificates of before stay: ${message}`)
      }
      return this.#told ? 'good' : 'bad'
    }
  }

  /** @throws UnusableError; what was there before stays */
  refresh(): Promise<void> {
    const mine = this.#turn.then(() => this.#read())
    this.#turn = mine.catch(() => {})
    return mine
  }

  async #read(): Promise<void> {
    const seen: Partial<Record<PemPart, string>> = {}
    try {
      const read = PARTS.map(async (part) => {
        const file = this.files[part]
        if (file !== undefined) seen[part] = await readFile(file, 'utf8')
      })
      const failed = (await Promise.allSettled(read)).find((each) => each.status === 'rejected')
      if (failed !== undefined) throw unreadable(failed.reason)
      if (PARTS.every((part) => seen[part] === this.pem[part])) {
        this.#bad = undefined
        return
      }
      const { ca, cert, key } = seen
      const pem = { ca, cert, key }
      this.context = this.#make(pem)
      this.pem = pem
    } catch (cause) {
      throw new UnusableError((cause as Error).message, seen, cause)
    }
    this.version = ++versions
    this.#bad = undefined
    this.#log.info(this.#named(), 'certificates renewed')
    for (const listener of this.#listeners) listener()
  }

  #readNow(part: PemPart): string | undefined {
    const file = this.files[part]
    if (file === undefined) return undefined
    try {
      return readFileSync(file, 'utf8')
    } catch (cause) {
      throw unreadable(cause)
    }
  }

  #make(pem: Pem): SecureContext {
    try {
      const leaf = checkPem(pem)
      const context = contextOf(pem)
      // It may be meant so, and a clock may be wrong: it is for the other end to judge.
      if (leaf !== undefined) this.#warnOfDates(leaf)
      return context
    } catch (cause) {
      const part = cause instanceof PemError ? cause.part : pem.cert === undefined ? 'ca' : 'cert'
      throw new Error(`${this.files[part]}: ${(cause as Error).message}`, { cause })
    }
  }

  #warnOfDates({ validFrom, validTo }: { validFrom: string; validTo: string }): void {
    const now = Date.now()
    if (now >= Date.parse(validTo))
      this.#log.warn({ ...this.#named(), until: validTo }, 'a certificate has expired')
    else if (now < Date.parse(validFrom))
      this.#log.warn({ ...this.#named(), from: validFrom }, 'a certificate is not valid yet')
  }

  #named(): LogFields {
    return Object.fromEntries(
      PARTS.filter((part) => part !== 'key' && this.files[part] !== undefined).map((part) => [
        part,
        this.files[part]
      ])
    )
  }
}

/** Files that cannot be used as they are. The message names the one at fault. */
class UnusableError extends Error {
  readonly seen: Partial<Pem>

  constructor(message: string, seen: Partial<Pem>, cause: unknown) {
    super(message, { cause })
    this.name = 'UnusableError'
    this.seen = seen
  }
}

function unreadable(cause: unknown): Error {
  const { code, path, message } = cause as NodeJS.ErrnoException
  return new Error(code === 'ENOENT' ? `${path}: there is no such file` : message, { cause })
}
