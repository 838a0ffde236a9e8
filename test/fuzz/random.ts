/** Numbers that are the same for the same seed (mulberry32, Tommy Ettinger). */
export class Random {
  #state: number

  /** @param parts the seed, and what tells this stream from the others of the same seed */
  constructor(...parts: (number | string)[]) {
    // FNV-1a over all of them.
    let hash = 0x811c9dc5
    for (const character of parts.join('/')) hash = Math.imul(hash ^ character.charCodeAt(0), 0x01000193)
    this.#state = hash >>> 0
  }

  /** From 0 to 1, without 1. */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0
    let t = this.#state
    t = Math.imul(t ^ (t >>> 15), t | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296
  }

  /** A whole number from 0, below `n`. */
  int(n: number): number {
    return Math.floor(this.next() * n)
  }

  chance(probability: number): boolean {
    return this.next() < probability
  }

  pick<T>(from: readonly T[]): T {
    return from[this.int(from.length)] as T
  }

  /** One of them by weight. */
  weighted<T>(from: readonly (readonly [weight: number, value: T])[]): T {
    let left = this.next() * from.reduce((sum, [weight]) => sum + weight, 0)
    for (const [weight, value] of from) {
      left -= weight
      if (left < 0) return value
    }
    return (from.at(-1) as readonly [number, T])[1]
  }

  /** Small ones mostly, up to `max`. */
  size(max: number): number {
    return Math.floor(max * this.next() ** 4)
  }

  word(): string {
    return this.int(0x7fffffff).toString(36)
  }
}
