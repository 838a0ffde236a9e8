import type { Clock, CounterCell, HistogramCell } from '../../core/index.js'
import type { Link } from './link.js'
import type { Rate } from './rate.js'
import type { Store, Verdict } from './store.js'
import { Waits } from './waits.js'

/** Requests that may wait for an answer at once: more than that in 25 ms no Redis answers. */
const MAX_WAITING = 2_048

export const STORE_ERRORS = ['down', 'timeout', 'error', 'busy'] as const

interface RedisOptions {
  readonly link: Link
  readonly rate: Rate
  readonly clock: Clock
  /** ms that a request waits for an answer. */
  readonly timeout: number
  /** What a key's own name stands behind. */
  readonly prefix: string
  /** Who decides where the store cannot be asked. */
  readonly fallback: Store
  readonly errors: Readonly<Record<(typeof STORE_ERRORS)[number], CounterCell>>
  /** In seconds. */
  readonly duration: HistogramCell
}

/** Buckets that proxies share. No request waits for longer than `timeout`, and none at all while the link is down. */
export class RedisStore implements Store {
  readonly #options: RedisOptions
  readonly #waits: Waits
  readonly #cost: string
  readonly #tolerance: string

  constructor(options: RedisOptions) {
    this.#options = options
    this.#waits = new Waits(options.clock, options.timeout)
    this.#cost = String(options.rate.interval * 1000)
    this.#tolerance = String(options.rate.tolerance * 1000)
  }

  take(key: string): Verdict | Promise<Verdict> {
    const { link, fallback, errors } = this.#options
    if (!link.isUp) {
      errors.down.inc()
      return fallback.take(key)
    }
    if (this.#waits.size >= MAX_WAITING) {
      errors.busy.inc()
      return fallback.take(key)
    }
    return this.#ask(key)
  }

  close(): void {
    this.#waits.close()
    this.#options.fallback.close()
  }

  #ask(key: string): Promise<Verdict> {
    const { link, clock, duration, errors, fallback, prefix } = this.#options
    const waits = this.#waits
    return new Promise((resolve) => {
      const wait = waits.begin(() => {
        errors.timeout.inc()
        link.failed('it did not answer in time')
        duration.observe((clock.now() - wait.startedAt) / 1000)
        resolve(fallback.take(key))
      })
      link.run(prefix + key, this.#cost, this.#tolerance).then(
        (reply) => {
          if (!waits.end(wait)) return
          duration.observe((clock.now() - wait.startedAt) / 1000)
          resolve(this.#verdict(reply))
        },
        (error: Error) => {
          if (!waits.end(wait)) return
          errors.error.inc()
          link.failed(error.message)
          duration.observe((clock.now() - wait.startedAt) / 1000)
          resolve(fallback.take(key))
        }
      )
    })
  }

  #verdict(reply: unknown): Verdict {
    const [passes, debt] = reply as [number, number]
    const ms = debt / 1000
    // What the script has rounded up may be no wait at all here; a refusal is below 0.
    return passes === 1 ? ms : -Math.max(this.#options.rate.wait(ms), Number.MIN_VALUE)
  }
}
