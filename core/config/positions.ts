import type { Path } from './path.js'

const FIRST_SIZE = 1024
/** Keys of an object that are looked through; of one with more a table is kept. */
const FEW = 8

/** Where a value stands in a text, as offsets. */
export interface Place {
  /** -1: there is no key, as in a list. */
  readonly key: number
  readonly value: number
}

/** Offsets of every value of a tree, in three arrays that a thread can hand over as they are. */
export interface PositionArrays {
  readonly keys: Int32Array
  readonly values: Int32Array
  readonly next: Int32Array
}

/** Gathers the offsets of a tree's values, each one before those within it, in the order of `Object.keys`. */
export class PositionRecorder {
  #keys = new Int32Array(FIRST_SIZE)
  #values = new Int32Array(FIRST_SIZE)
  #next = new Int32Array(FIRST_SIZE)
  #count = 0

  /** @returns the value's number, which `close` is owed once all that is within it has been added */
  add(key: number, value: number): number {
    if (this.#count === this.#keys.length) this.#grow()
    const at = this.#count++
    this.#keys[at] = key
    this.#values[at] = value
    this.#next[at] = this.#count
    return at
  }

  /** It begins elsewhere than was thought. */
  move(at: number, value: number): void {
    this.#values[at] = value
  }

  close(at: number): void {
    this.#next[at] = this.#count
  }

  get arrays(): PositionArrays {
    return {
      keys: this.#keys.slice(0, this.#count),
      values: this.#values.slice(0, this.#count),
      next: this.#next.slice(0, this.#count)
    }
  }

  #grow(): void {
    this.#keys = grown(this.#keys)
    this.#values = grown(this.#values)
    this.#next = grown(this.#next)
  }
}

function grown(array: Int32Array): Int32Array<ArrayBuffer> {
  const larger = new Int32Array(array.length * 2)
  larger.set(array)
  return larger
}

/** Finds where a path of a tree stands in the text that it was read from. */
export class Positions {
  readonly #root: unknown
  readonly #arrays: PositionArrays
  /** Of large objects: which of its keys one is. */
  readonly #ordinals = new WeakMap<object, Map<string, number>>()
  /** The child that was found last in each large list or object, and its number: the next one asked for is mostly behind it. */
  readonly #last = new Map<number, { ordinal: number; at: number }>()

  constructor(root: unknown, arrays: PositionArrays) {
    this.#root = root
    this.#arrays = arrays
  }

  /** The place of what `path` leads to, or of the last on the way to it that is there. */
  find(path: Path): { place: Place; complete: boolean } {
    let value = this.#root
    let at = 0
    for (const part of path) {
      const ordinal = this.#ordinalOf(value, part)
      if (ordinal === undefined) return { place: this.#placeOf(at), complete: false }
      at = this.#child(at, ordinal)
      value = (value as Record<PropertyKey, unknown>)[part]
    }
    return { place: this.#placeOf(at), complete: true }
  }

  #placeOf(at: number): Place {
    const { keys, values } = this.#arrays
    return { key: keys[at] ?? -1, value: values[at] ?? 0 }
  }

  #ordinalOf(value: unknown, part: PropertyKey): number | undefined {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, part)) return undefined
    if (Array.isArray(value)) return Number.isInteger(Number(part)) ? Number(part) : undefined
    const known = this.#ordinals.get(value)
    if (known !== undefined) return known.get(String(part))
    const keys = Object.keys(value)
    if (keys.length <= FEW) return keys.indexOf(String(part))
    const ordinals = new Map(keys.map((key, ordinal) => [key, ordinal]))
    this.#ordinals.set(value, ordinals)
    return ordinals.get(String(part))
  }

  #child(parent: number, ordinal: number): number {
    const { next } = this.#arrays
    const last = this.#last.get(parent)
    let at = parent + 1
    let step = 0
    if (last !== undefined && last.ordinal <= ordinal) {
      at = last.at
      step = last.ordinal
    }
    for (; step < ordinal; step++) at = next[at] as number
    if (last !== undefined) {
      last.ordinal = ordinal
      last.at = at
    } else if (ordinal > FEW) {
      this.#last.set(parent, { ordinal, at })
    }
    return at
  }
}
