import { formatPath, type Path, pathKey } from './path.js'

/** What is pointed at: the key that leads to a value, or the value. */
export type Point = 'key' | 'value'

export interface Location {
  /** `FILE:LINE:COL`; `FILE` for a module; undefined for an object. */
  readonly at: string | undefined
  /** Problems are told in this order. */
  readonly order: number
}

/** A configuration as it was read, before anything is known of it. */
export interface SourceDocument {
  /** As the user named it; undefined for an object. */
  readonly name: string | undefined
  /** Environment not substituted. */
  readonly written: unknown
  /** Nobody else has a hand on what is written: parts of it may be kept as they are. */
  readonly owned: boolean
  /** Where a path is, or the nearest to it that is there. */
  locate(path: Path, point: Point): Location
  /** For errors found after validation. */
  label(path: Path): string
}

/** A configuration that came as an object, from a caller or out of a module: it has paths and no lines. */
export class ObjectDocument implements SourceDocument {
  readonly name: string | undefined
  readonly written: unknown
  readonly owned = false
  #orders: Map<string, number> | undefined

  constructor(written: unknown, name?: string) {
    this.written = written
    this.name = name
  }

  locate(path: Path): Location {
    this.#orders ??= ordersOf(this.written)
    for (let length = path.length; length >= 0; length--) {
      const order = this.#orders.get(pathKey(path.slice(0, length)))
      if (order !== undefined) return { at: this.name, order }
    }
    return { at: this.name, order: 0 }
  }

  label(path: Path): string {
    return formatPath(path)
  }
}

/** The values that a configuration is made of. Plugins, dates and the like are leaves. */
export function isPlain(value: unknown): value is Record<string, unknown> {
  if (typeof value !== 'object' || value === null) return false
  const prototype: unknown = Object.getPrototypeOf(value)
  return prototype === Object.prototype || prototype === null
}

function ordersOf(root: unknown): Map<string, number> {
  const orders = new Map<string, number>()
  const above = new Set<unknown>()
  const visit = (value: unknown, path: Path) => {
    orders.set(pathKey(path), orders.size)
    if (above.has(value) || !(Array.isArray(value) || isPlain(value))) return
    above.add(value)
    const entries = Array.isArray(value) ? value.entries() : Object.entries(value)
    for (const [key, item] of entries) visit(item, [...path, key])
    above.delete(value)
  }
  visit(root, [])
  return orders
}
