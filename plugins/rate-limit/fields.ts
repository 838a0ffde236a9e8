import type { HeaderList } from '../../core/index.js'
import type { Rate } from './rate.js'
import { UNKNOWN, type Verdict } from './store.js'

/**
 * The `RateLimit` and `RateLimit-Policy` response fields of draft-ietf-httpapi-ratelimit-headers-11: lists of structured
 * fields' strings with parameters.
 */
export class RateLimitFields {
  readonly #rate: Rate
  readonly #policy: string
  readonly #name: string

  /** @param per ms. The policy's window is in whole seconds: of a part of one, `q` is what that comes to. */
  constructor(name: string, requests: number, per: number, rate: Rate) {
    const seconds = Math.ceil(per / 1000)
    const quota = Math.max(1, Math.floor((requests * seconds * 1000) / per))
    this.#rate = rate
    this.#name = `"${name}"`
    this.#policy = `"${name}";q=${quota};w=${seconds}`
  }

  /** Behind what the service, or another limit, said of its own. */
  append(headers: HeaderList, verdict: Verdict): void {
    headers.append('ratelimit-policy', this.#policy)
    if (Number.isNaN(verdict) || verdict === UNKNOWN) return
    const left = verdict < 0 ? 0 : this.#rate.left(verdict)
    headers.append('ratelimit', `${this.#name};r=${left};t=${this.#window(verdict, left)}`)
  }

  /**
   * The seconds for which what is left is all there is. Where something is left, the time in which the bucket takes in as
   * much: a client that spreads what it has over it keeps to the limit (the draft's section 8.5 warns of a shorter one).
   */
  #window(verdict: Verdict, left: number): number {
    if (verdict < 0) return secondsOf(-verdict)
    return secondsOf(left === 0 ? this.#rate.wait(verdict) : left * this.#rate.interval)
  }
}

/** Whole seconds, at least 1: who comes back after them does not come too early. */
export function secondsOf(ms: number): number {
  return Math.max(1, Math.ceil(ms / 1000))
}
