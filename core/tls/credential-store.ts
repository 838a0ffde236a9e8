import { type Clock, type ClockTimer, systemClock } from '../hooks/clock.js'
import type { Logger } from '../hooks/plugin.js'
import { type CredentialFiles, type Credentials, LiveCredentials } from './credentials.js'
import { FolderWatch } from './folder-watch.js'
import { addPlaces, type Places } from './folders.js'

/** ms from the first notification to the look: a change is seldom one write. */
const SETTLE = 20
/** ms until what cannot be used is looked at again, before anybody is told. */
const AGAIN = 250
/** ms between looks without a notification: where none comes (network file systems), or one was lost. */
const POLL = 10_000

export interface CredentialStoreOptions {
  readonly log: Logger
  readonly clock?: Clock
  /** ms. Default 10 s. */
  readonly poll?: number
}

/** Credentials that somebody holds. */
export interface Held extends Credentials {
  /** Gives them back. The second call and later ones do nothing. */
  release(): void
}

/**
 * The process's certificates, keys and CAs, each set of files read once for all who use it, and kept up to date with
 * what is on disk. What is half written, or does not belong together, leaves those of before in use. Nothing here
 * keeps a process alive.
 */
export class CredentialStore {
  readonly #kept = new Map<string, LiveCredentials>()
  readonly #log: Logger
  readonly #clock: Clock
  readonly #folders = new FolderWatch(() => this.#lookIn(SETTLE))
  readonly #poll: number
  #polling: ClockTimer | undefined
  #pending: { readonly timer: ClockTimer; readonly due: number } | undefined
  #looking: Promise<void> | undefined
  /** Something stirred while it was being looked. */
  #stirred = false
  #closed = false

  constructor({ log, clock = systemClock, poll = POLL }: CredentialStoreOptions) {
    this.#log = log
    this.#clock = clock
    this.#poll = poll
  }

  /**
   * What these files hold, now and later.
   *
   * @throws Error that names the file, when any cannot be read or they do not belong together
   */
  acquire({ ca, cert, key }: CredentialFiles): Held {
    if (this.#closed) throw new Error('the store of certificates has been closed')
    const files = { ca, cert, key }
    const id = JSON.stringify([ca, cert, key])
    let kept = this.#kept.get(id)
    if (kept === undefined) {
      kept = new LiveCredentials(files, this.#log)
      this.#kept.set(id, kept)
      if (ca !== undefined || cert !== undefined || key !== undefined) {
        this.#polling ??= this.#clock.setInterval(() => this.#lookIn(0), this.#poll)
        // They may have changed between having been read and being listened to.
        this.#lookIn(0)
      }
    }
    kept.holders++
    return new Hold(kept, (last) => {
      if (--last.holders > 0 || this.#kept.get(id) !== last) return
      this.#kept.delete(id)
      // Lets go of its folders.
      this.#lookIn(0)
    })
  }

  /**
   * Looks at every file now.
   *
   * @throws Error with what cannot be used, file by file; what was there before stays in use, and the rest is new
   */
  async refresh(): Promise<void> {
    const results = await Promise.allSettled([...this.#kept.values()].map((each) => each.refresh()))
    const failed = results.flatMap((each) => (each.status === 'rejected' ? [each.reason as Error] : []))
    if (failed.length > 0)
      throw new Error(failed.map(({ message }) => message).join('; '), { cause: failed[0] })
  }

  /** Looks at nothing any more. What is held can be used on. */
  close(): void {
    this.#closed = true
    this.#polling?.cancel()
    this.#pending?.timer.cancel()
    this.#folders.close()
    this.#kept.clear()
  }

  #lookIn(ms: number): void {
    if (this.#closed) return
    this.#stirred = true
    if (this.#looking !== undefined) return
    const due = this.#clock.now() + ms
    if (this.#pending !== undefined) {
      if (this.#pending.due <= due) return
      this.#pending.timer.cancel()
    }
    this.#pending = { due, timer: this.#clock.setTimeout(() => this.#begin(), ms) }
  }

  #begin(): void {
    this.#pending = undefined
    this.#stirred = false
    this.#looking = this.#look().then((again) => {
      this.#looking = undefined
      if (this.#stirred) this.#lookIn(SETTLE)
      else if (again) this.#lookIn(AGAIN)
    })
  }

  /** Listens first and reads then, so that no change falls between. */
  async #look(): Promise<boolean> {
    const files = new Set<string>()
    for (const { files: each } of this.#kept.values())
      for (const file of [each.ca, each.cert, each.key]) if (file !== undefined) files.add(file)
    const places: Places = new Map()
    for (const file of files) await addPlaces(file, places)
    await this.#folders.set(places)
    if (this.#closed) return false
    const states = await Promise.all([...this.#kept.values()].map((each) => each.look()))
    return states.includes('bad')
  }
}

class Hold implements Held {
  readonly #of: LiveCredentials
  readonly #onRelease: (of: LiveCredentials) => void
  readonly #listening = new Set<() => void>()
  #released = false

  constructor(of: LiveCredentials, onRelease: (of: LiveCredentials) => void) {
    this.#of = of
    this.#onRelease = onRelease
  }

  get pem() {
    return this.#of.pem
  }

  get context() {
    return this.#of.context
  }

  get version() {
    return this.#of.version
  }

  onChange(listener: () => void): () => void {
    const end = this.#of.onChange(listener)
    this.#listening.add(end)
    return () => {
      end()
      this.#listening.delete(end)
    }
  }

  release(): void {
    if (this.#released) return
    this.#released = true
    for (const end of this.#listening) end()
    this.#onRelease(this.#of)
  }
}
