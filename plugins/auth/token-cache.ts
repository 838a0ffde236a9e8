import { hash } from 'node:crypto'

interface Entry<V, K> {
  readonly value: V
  readonly keys: K
  /** On the wall clock, in ms. */
  readonly until: number
}

/**
 * What was found of tokens, by their digest: the tokens themselves are not kept. Bounded by two halves: what is asked
 * for moves into the younger one, and when that is full the elder is forgotten.
 */
export class TokenCache<V, K> {
  readonly #half: number
  #young = new Map<string, Entry<V, K>>()
  #old = new Map<string, Entry<V, K>>()

  /** @param size at most so many; 0: none */
  constructor(size: number) {
    this.#half = Math.ceil(size / 2)
  }

  get size(): number {
    return this.#young.size + this.#old.size
  }

  /** 1 µs for a token of 600 bytes. */
  digest(token: string): string {
    return hash('sha256', token, 'base64')
  }

  /**
   * @param keys what it has to have been verified with: one key set is the same only as itself
   * @param now on the wall clock, in ms
   */
  get(digest: string, keys: K, now: number): V | undefined {
    let entry = this.#young.get(digest)
    if (entry === undefined) {
      entry = this.#old.get(digest)
      if (entry === undefined) return undefined
      this.#old.delete(digest)
      if (entry.keys === keys && now < entry.until) this.#put(digest, entry)
    }
    if (entry.keys === keys && now < entry.until) return entry.value
    this.#young.delete(digest)
    return undefined
  }

  set(digest: string, value: V, keys: K, until: number): void {
    if (this.#half === 0) return
    this.#old.delete(digest)
    this.#put(digest, { value, keys, until })
  }

  #put(digest: string, entry: Entry<V, K>): void {
    if (this.#young.size >= this.#half) {
      this.#old = this.#young
      this.#young = new Map()
    }
    this.#young.set(digest, entry)
  }
}
