import { type FSWatcher, watch } from 'node:fs'
import { stat } from 'node:fs/promises'
import { basename } from 'node:path'
import type { Places } from './folders.js'

interface Watched {
  readonly watcher: FSWatcher
  /** Which folder it was: another may come to have its name. */
  readonly identity: string
}

/** Listens to folders for as long as they are wanted, and keeps no process alive. */
export class FolderWatch {
  readonly #watched = new Map<string, Watched>()
  #places: Places = new Map()
  readonly #onStir: () => void
  #closed = false

  /** @param onStir called whenever one of what is heeded has changed, several times for one change */
  constructor(onStir: () => void) {
    this.#onStir = onStir
  }

  /** Listens to these instead. What cannot be listened to is left out: whoever asks looks from time to time besides. */
  async set(places: Places): Promise<void> {
    this.#places = places
    for (const [folder, { watcher }] of this.#watched) {
      if (places.has(folder)) continue
      watcher.close()
      this.#watched.delete(folder)
    }
    await Promise.all([...places.keys()].map((folder) => this.#listen(folder)))
  }

  close(): void {
    this.#closed = true
    for (const { watcher } of this.#watched.values()) watcher.close()
    this.#watched.clear()
  }

  async #listen(folder: string): Promise<void> {
    const identity = await identityOf(folder)
    const before = this.#watched.get(folder)
    if (this.#closed || before?.identity === identity) return
    before?.watcher.close()
    this.#watched.delete(folder)
    if (identity === undefined) return
    try {
      const watcher = watch(folder, { persistent: false }, (_event, name) => this.#hear(folder, name))
      // The folder has gone, or the system has no more to give.
      watcher.on('error', () => {
        watcher.close()
        if (this.#watched.get(folder)?.watcher === watcher) this.#watched.delete(folder)
      })
      this.#watched.set(folder, { watcher, identity })
    } catch {
      // As above.
    }
  }

  /** A folder may hold a log that is written to all the time; what becomes of the folder itself comes under its own name. */
  #hear(folder: string, name: string | null): void {
    if (name === null || name === basename(folder) || this.#places.get(folder)?.has(name)) this.#onStir()
  }
}

async function identityOf(folder: string): Promise<string | undefined> {
  try {
    const { dev, ino } = await stat(folder)
    return `${dev}:${ino}`
  } catch {
    return undefined
  }
}
