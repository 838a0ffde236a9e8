import type { Sample } from './statistics.js'

/** What is known of one endpoint. Kept for as long as the endpoint is, over reloads. */
export class Tally implements Sample {
  /** Of the present interval. */
  successes = 0
  failures = 0
  /** Errors in a row. */
  errors = 0
  /** Ejections in a row: one less for each interval that it was in for the whole of. */
  times = 0
  /** It was out at some time of the present interval. */
  wasOut = false
  /** The number of the detector that ends its intervals; 0 for none. */
  keeper = 0

  succeeded(): void {
    this.errors = 0
    this.successes++
  }

  failed(): number {
    this.failures++
    return ++this.errors
  }

  ejected(): number {
    this.successes = 0
    this.failures = 0
    this.errors = 0
    this.wasOut = true
    return ++this.times
  }

  /** An interval is over. @param out whether the endpoint is ejected */
  endInterval(out: boolean): void {
    this.successes = 0
    this.failures = 0
    if (!out && !this.wasOut && this.times > 0) this.times--
    this.wasOut = out
  }
}
