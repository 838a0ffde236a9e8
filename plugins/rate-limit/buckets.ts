import type { Clock } from '../../core/index.js'
import type { Rate } from './rate.js'
import type { Store, Verdict } from './store.js'

/** Buckets looked at for each key that comes in, in search of full ones: so the table shrinks as fast as it grows. */
const LOOKS = 2
/** The same where there is no room. */
const LOOKS_FOR_ROOM = 8

interface Bucket {
  /** On the clock, in ms. In the past: it is full, and as good as none. */
  fullAt: number
}

/**
 * Buckets in this process, at most `max` of them. Where there is no room for one more, a hand that goes round the table
 * (as in the CLOCK page replacement) drops a full one, which loses nothing. Where it meets none, the fullest of those it
 * looked at has to go, and its debt becomes the one that every new key begins with: so pushing a key out, by making up
 * others, gives it nothing.
 */
export class Buckets implements Store {
  readonly #rate: Rate
  readonly #clock: Clock
  readonly #max: number
  readonly #onEvict: () => void
  readonly #buckets = new Map<string, Bucket>()
  #hand: Iterator<[string, Bucket]>
  /** When the bucket of a key that is not known is full, at the earliest. */
  #floor = Number.NEGATIVE_INFINITY

  /** @param onEvict a key that still had a debt was pushed out */
  constructor(rate: Rate, clock: Clock, max: number, onEvict: () => void) {
    this.#rate = rate
    this.#clock = clock
    this.#max = max
    this.#onEvict = onEvict
    this.#hand = this.#buckets.entries()
  }

  get size(): number {
    return this.#buckets.size
  }

  take(key: string): Verdict {
    const rate = this.#rate
    const now = this.#clock.now()
    const bucket = this.#buckets.get(key) ?? this.#add(key, now)
    const debt = Math.max(0, bucket.fullAt - now)
    if (!rate.passes(debt)) return -rate.wait(debt)
    bucket.fullAt = now + debt + rate.interval
    return debt + rate.interval
  }

  close(): void {}

  #add(key: string, now: number): Bucket {
    this.#makeRoom(now)
    const bucket = { fullAt: Math.max(now, this.#floor) }
    this.#buckets.set(key, bucket)
    return bucket
  }

  #makeRoom(now: number): void {
    const buckets = this.#buckets
    const isFull = buckets.size >= this.#max
    let fullestKey: string | undefined
    let fullAt = Number.POSITIVE_INFINITY
    for (let look = Math.min(isFull ? LOOKS_FOR_ROOM : LOOKS, buckets.size); look > 0; look--) {
      const [key, bucket] = this.#next()
      if (bucket.fullAt <= now) buckets.delete(key)
      else if (bucket.fullAt < fullAt) {
        fullestKey = key
        fullAt = bucket.fullAt
      }
      if (buckets.size === 0) return
    }
    if (buckets.size < this.#max || fullestKey === undefined) return
    buckets.delete(fullestKey)
    this.#floor = Math.max(this.#floor, fullAt)
    this.#onEvict()
  }

  /** The bucket that the hand points at; there is one. */
  #next(): [string, Bucket] {
    let next = this.#hand.next()
    if (next.done) {
      this.#hand = this.#buckets.entries()
      next = this.#hand.next()
    }
    return next.value as [string, Bucket]
  }
}
