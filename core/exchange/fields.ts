import { alike, checkSettable } from '../hooks/field.js'
import type { HeaderList } from '../hooks/types.js'

/** Whether two field names are one, without making a lower-case copy of either where lengths or first letters tell. */
function same(a: string, b: string): boolean {
  if (a === b) return true
  if (a.length !== b.length || ((a.charCodeAt(0) ^ b.charCodeAt(0)) & NOT_CASE) !== 0) return false
  return a.toLowerCase() === b.toLowerCase()
}

/** All bits of a letter but the one that makes it a small one. */
const NOT_CASE = ~0x20

/** Fields as the flat list `[name, value, ...]` that Node and undici both read and write. */
export class Fields implements HeaderList {
  /** @internal Shared with the writer; changed in place. */
  readonly flat: string[]

  constructor(flat: string[]) {
    this.flat = flat
  }

  get(name: string): string | undefined {
    const { flat } = this
    let found: string | undefined
    for (let i = 0; i < flat.length; i += 2) {
      if (same(flat[i] as string, name)) {
        found = found === undefined ? (flat[i + 1] as string) : `${found}, ${flat[i + 1]}`
      }
    }
    return found
  }

  getAll(name: string): string[] {
    const values: string[] = []
    for (let i = 0; i < this.flat.length; i += 2) {
      if (same(this.flat[i] as string, name)) values.push(this.flat[i + 1] as string)
    }
    return values
  }

  has(name: string): boolean {
    for (let i = 0; i < this.flat.length; i += 2) {
      if (same(this.flat[i] as string, name)) return true
    }
    return false
  }

  set(name: string, value: string): void {
    checkSettable(name, value)
    this.put(name, value)
  }

  /** @internal `set` for the core itself: the framing is its own. */
  put(name: string, value: string): void {
    const { flat } = this
    for (let i = 0; i < flat.length; i += 2) {
      if (alike(flat[i] as string, name)) {
        if (!same(flat[i] as string, name)) flat[i] = name
        flat[i + 1] = value
        this.#remove(name, i + 2)
        return
      }
    }
    flat.push(name, value)
  }

  append(name: string, value: string): void {
    checkSettable(name, value)
    this.flat.push(name, value)
  }

  delete(name: string): boolean {
    return this.#remove(name, 0)
  }

  *[Symbol.iterator](): IterableIterator<[string, string]> {
    for (let i = 0; i < this.flat.length; i += 2) yield [this.flat[i] as string, this.flat[i + 1] as string]
  }

  #remove(name: string, from: number): boolean {
    const { flat } = this
    let to = from
    for (let i = from; i < flat.length; i += 2) {
      if (alike(flat[i] as string, name)) continue
      if (to !== i) {
        flat[to] = flat[i] as string
        flat[to + 1] = flat[i + 1] as string
      }
      to += 2
    }
    if (to === flat.length) return false
    // Of a few that is far quicker than to set the length.
    while (flat.length > to) flat.pop()
    return true
  }
}
