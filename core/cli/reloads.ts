import { ConfigError } from '../config/problem.js'
import type { Logger } from '../hooks/plugin.js'
import { problemLines } from './failure.js'

export interface ReloadOptions {
  reload(): Promise<void>
  log: Logger
  /** After each, failed ones too. @param startedAt as `Date.now()` */
  onDone(succeeded: boolean, startedAt: number): void
}

/**
 * Reloads one at a time. However many are asked for while one runs, one more follows it: it reads what all of them
 * were about.
 */
export class Reloads {
  readonly #options: ReloadOptions
  #running = false
  #next: string | undefined
  #stopped = false

  constructor(options: ReloadOptions) {
    this.#options = options
  }

  /** @param cause what the operator is told it was for, such as `SIGHUP` */
  request(cause: string): void {
    if (this.#stopped) return
    if (this.#running) this.#next = cause
    else void this.#run(cause)
  }

  /** None begins after this. */
  stop(): void {
    this.#stopped = true
    this.#next = undefined
  }

  async #run(cause: string): Promise<void> {
    const { reload, log, onDone } = this.#options
    this.#running = true
    const startedAt = Date.now()
    let succeeded = false
    try {
      await reload()
      succeeded = true
      log.info({ cause }, 'reloaded')
    } catch (error) {
      log.error({ cause }, 'not reloaded: the configuration before it stays in use')
      if (error instanceof ConfigError) for (const line of problemLines(error)) log.error(line)
      else log.error({ error }, error instanceof Error ? error.message : String(error))
    }
    onDone(succeeded, startedAt)
    this.#running = false
    const next = this.#next
    this.#next = undefined
    if (next !== undefined) this.request(next)
  }
}
