import { type FSWatcher, watch } from 'node:fs'
import { realpath, stat } from 'node:fs/promises'
import { dirname } from 'node:path'

export interface WatchOptions {
  files: readonly string[]
  /** When they began to be read, as `Date.now()`: one that changed after that has changed. */
  since: number
  /** Called when a file has changed and lies still. */
  onChange(file: string): void
  /** ms that a change must have lain still: editors and copies write in steps. Default 100. */
  settle?: number
  /** ms between looks without a notification. Default 2000. */
  poll?: number
}

const SOURCE = /\.(ya?ml|json|[cm]?[jt]s|pem|key|crt)$/

/**
 * Watches files by what they are, not by what the system says of them: a notification from a folder, or the passing of
 * time, only makes it look again. Folders and not files are listened to since editors replace files and a Kubernetes
 * ConfigMap turns a link around without touching the file's own name; looking now and then besides finds changes where
 * no notification comes (network file systems, a folder replaced whole).
 */
export class FileWatch {
  readonly #onChange: (file: string) => void
  readonly #settle: number
  readonly #poll: NodeJS.Timeout
  readonly #folders = new Map<string, FSWatcher>()
  readonly #known = new Map<string, string>()
  #pending: NodeJS.Timeout | undefined
  /** What the last look saw, while it differed from what is known. */
  #unsettled: ReadonlyMap<string, string> | undefined
  #anySource = false
  #sourceStirred = false
  #looking = false
  #asked = false
  #closed = false
  #updating: Promise<void> = Promise.resolve()

  private constructor({ onChange, settle = 100, poll = 2000 }: WatchOptions) {
    this.#onChange = onChange
    this.#settle = settle
    this.#poll = setInterval(() => this.#lookSoon(), poll).unref()
  }

  static async open(options: WatchOptions): Promise<FileWatch> {
    const opened = new FileWatch(options)
    await opened.update(options.files, options.since)
    return opened
  }

  /**
   * Watches these instead. One that was watched before keeps what is known of it, so that a change made during a
   * reload is not lost.
   *
   * @param since when they began to be read, as `Date.now()`
   * @param anySource whether a stir of any source file in these folders is a change: for after a failed reload, when
   *   the file that is to be put right may be one that the running configuration does not name
   */
  update(files: readonly string[], since: number, anySource = false): Promise<void> {
    this.#anySource = anySource
    this.#sourceStirred = false
    this.#updating = this.#updating.then(() => this.#update(files, since))
    return this.#updating
  }

  close(): void {
    this.#closed = true
    clearInterval(this.#poll)
    clearTimeout(this.#pending)
    for (const folder of this.#folders.values()) folder.close()
    this.#folders.clear()
  }

  async #update(files: readonly string[], since: number): Promise<void> {
    const folders = new Set<string>()
    for (const file of files) {
      folders.add(dirname(file))
      const real = await realpath(file).catch(() => file)
      folders.add(dirname(real))
      if (!this.#known.has(file)) this.#known.set(file, await printOf(file, since))
    }
    if (this.#closed) return
    for (const file of this.#known.keys()) if (!files.includes(file)) this.#known.delete(file)
    for (const [folder, watcher] of this.#folders) {
      if (folders.has(folder)) continue
      watcher.close()
      this.#folders.delete(folder)
    }
    for (const folder of folders) if (!this.#folders.has(folder)) this.#listen(folder)
    this.#lookSoon()
  }

  #listen(folder: string): void {
    const forget = () => this.#folders.delete(folder)
    try {
      const watcher = watch(folder, { persistent: false }, (_event, name) => {
        if (this.#anySource && name !== null && SOURCE.test(name)) this.#sourceStirred = true
        this.#lookSoon()
      })
      // The folder has gone, or the system has no more watches to give: looking now and then goes on.
      watcher.on('error', () => {
        watcher.close()
        forget()
      })
      this.#folders.set(folder, watcher)
    } catch {
      forget()
    }
  }

  #lookSoon(): void {
    this.#asked = true
    if (this.#pending !== undefined || this.#looking || this.#closed) return
    this.#pending = setTimeout(() => {
      this.#pending = undefined
      this.#looking = true
      this.#asked = false
      void this.#look().finally(() => {
        this.#looking = false
        // What stirred during a look may have come behind it.
        if (this.#asked || this.#unsettled !== undefined) this.#lookSoon()
      })
    }, this.#settle).unref()
  }

  /** A change is told once two looks in a row have seen the same. */
  async #look(): Promise<void> {
    const stirred = this.#sourceStirred
    this.#sourceStirred = false
    const now = new Map<string, string>()
    for (const file of [...this.#known.keys()]) now.set(file, await printOf(file))
    if (this.#closed) return
    const before = this.#unsettled
    this.#unsettled = undefined
    const changed = [...now.keys()].filter(
      (file) => this.#known.has(file) && this.#known.get(file) !== now.get(file)
    )
    const [first] = changed.length > 0 ? changed : stirred ? now.keys() : []
    if (first === undefined) return
    if (changed.some((file) => before?.get(file) !== now.get(file))) {
      this.#unsettled = now
      return
    }
    for (const file of changed) this.#known.set(file, now.get(file) as string)
    this.#onChange(first)
  }
}

/** ms that the time of a file may lie behind the clock: the kernel stamps files by its own tick. */
const TICK = 10

/**
 * Differs whenever the file's content may: another file, another time, another size, or none.
 *
 * @param since gives what no look will see, when the file has changed after that
 */
async function printOf(file: string, since = Number.POSITIVE_INFINITY): Promise<string> {
  try {
    const { dev, ino, size, mtimeNs, mtimeMs } = await stat(file, { bigint: true })
    return Number(mtimeMs) > since - TICK ? 'changed while it was read' : `${dev}:${ino}:${size}:${mtimeNs}`
  } catch {
    return 'missing'
  }
}
