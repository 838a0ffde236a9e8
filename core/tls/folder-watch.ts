import { type FSWatcher, watch } from 'node:fs'
import { stat } from 'node:fs/promises'

interface Watched {
  readonly watcher: FSWatcher
  /** Which folder it was: another may come to have its name. */
  readonly identity: string
}

/** Listens to folders for as long as they are wanted, and keeps no process alive. */
export class FolderWatch {
  readonly #watched = new Map<string, Watched>()
  readonly #onStir: () => void
  #closed = false

  /** @param onStir called whenever anything in one of them has changed, several times for one change */
  constructor(onStir: () => void) {
    this.#onStir = onStir
  }

  /** Listens to these instead. What cannot be listened to is left out: whoever asks looks from time to time besides. */
  async set(folders: ReadonlySet<string>): Promise<void> {
    for (const [folder, { watcher }] of this.#watched) {
      if (folders.has(folder)) continue
      watcher.close()
      this.#watched.delete(folder)
    }
    await Promise.all([...folders].map((folder) => this.#listen(folder)))
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
      const watcher = watch(folder, { persistent: false }, this.#onStir)
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
}

async function identityOf(folder: string): Promise<string | undefined> {
  try {
    const { dev, ino } = await stat(folder)
    return `${dev}:${ino}`
  } catch {
    return undefined
  }
}
