import {
  type Alias,
  type Document,
  isAlias,
  isCollection,
  isMap,
  isNode,
  isPair,
  isScalar,
  isSeq,
  type Node,
  type Pair,
  visit,
  type YAMLMap
} from 'yaml'
import { type PositionArrays, PositionRecorder } from './positions.js'

type Restore = (text: string) => string
type Child = { readonly key: Node | undefined; readonly value: Node | null }

/** What each alias stands for: the last anchor of its name before it. */
export type Targets = ReadonlyMap<Alias, Node | undefined>

/** One walk for all of them: the parser's own look-up walks the document anew for each. */
export function targetsOf(document: Document.Parsed): Targets {
  const anchors = new Map<string, Node>()
  const targets = new Map<Alias, Node | undefined>()
  visit(document, {
    Node(_key, node) {
      if (isAlias(node)) targets.set(node, anchors.get(node.source))
      else if (node.anchor !== undefined) anchors.set(node.anchor, node)
    }
  })
  return targets
}

/** Keys that a mapping has already, and where they stand again. */
export function keysThereTwice(document: Document.Parsed): { offset: number; key: string }[] {
  const found: { offset: number; key: string }[] = []
  visit(document, {
    Map(_key, map) {
      const seen = new Set<unknown>()
      for (const { key } of map.items as Pair<Node | null, Node>[]) {
        if (!isScalar(key)) continue
        if (seen.has(key.value))
          found.push({ offset: key.range?.[0] ?? 0, key: key.source ?? String(key.value) })
        seen.add(key.value)
      }
    }
  })
  return found
}

/**
 * Where each value of `written` stands: what came through an alias stands where its anchor does.
 *
 * @param written what the document comes to
 */
export function placesOf(
  document: Document.Parsed,
  targets: Targets,
  written: unknown,
  restore: Restore
): PositionArrays {
  const recorder = new PositionRecorder()
  const index = new ChildIndex(targets, restore)
  const visitValue = (value: unknown, key: Node | undefined, node: Node | null, nearest: number): void => {
    const keyAt = key?.range?.[0] ?? -1
    const valueAt = node?.range?.[0] ?? (keyAt === -1 ? nearest : keyAt)
    const number = recorder.add(keyAt, valueAt)
    if (typeof value === 'object' && value !== null) {
      const own = keyAt === -1 ? valueAt : keyAt
      for (const [name, item] of Object.entries(value)) {
        const child = index.find(node, name)
        visitValue(item, child?.key, child?.value ?? null, child === undefined ? own : valueAt)
      }
    }
    recorder.close(number)
  }
  visitValue(written, undefined, document.contents, 0)
  return recorder.arrays
}

/** The children of nodes, each mapping's listed once. */
class ChildIndex {
  readonly #targets: Targets
  readonly #restore: Restore
  readonly #maps = new Map<Node, Map<string, Child>>()

  constructor(targets: Targets, restore: Restore) {
    this.#targets = targets
    this.#restore = restore
  }

  find(parent: Node | null, name: string): Child | undefined {
    const node = isAlias(parent) ? (this.#targets.get(parent) ?? null) : parent
    if (isSeq(node)) {
      const item = node.items[Number(name)]
      if (item === undefined) return undefined
      return { key: undefined, value: isNode(item) ? item : isPair(item) ? (item.key as Node) : null }
    }
    return isMap(node) ? this.#childrenOf(node).get(name) : undefined
  }

  #childrenOf(map: YAMLMap): Map<string, Child> {
    const known = this.#maps.get(map)
    if (known !== undefined) return known
    const own = new Map<string, Child>()
    const merged: (Node | null)[] = []
    // Of a key that is there twice, the second counts, and is also what is complained about.
    for (const pair of map.items as Pair<Node, Node | null>[]) {
      const key = isScalar(pair.key) ? this.#restore(String(pair.key.value)) : String(pair.key)
      // The parser gives an unquoted `<<` as a symbol.
      if (key === '<<' || (isScalar(pair.key) && typeof pair.key.value === 'symbol'))
        merged.push(...(isSeq(pair.value) ? (pair.value.items as Node[]) : [pair.value]))
      own.set(key, { key: pair.key, value: pair.value })
    }
    this.#maps.set(map, own)
    for (const from of merged) {
      const node = isAlias(from) ? (this.#targets.get(from) ?? null) : from
      if (!isMap(node) || node === map) continue
      for (const [key, child] of this.#childrenOf(node)) if (!own.has(key)) own.set(key, child)
    }
    return own
  }
}

/** Aliases to nothing, and those that stand within what they stand for. */
export function brokenAliases(
  document: Document.Parsed,
  targets: Targets
): { offset: number; message: string }[] {
  const found: { offset: number; message: string }[] = []
  visit(document, {
    Alias(_key, alias, above) {
      const target = targets.get(alias)
      const offset = alias.range?.[0] ?? 0
      if (target === undefined)
        found.push({ offset, message: `no anchor &${alias.source} before this alias` })
      else if (above.includes(target))
        found.push({ offset, message: `the alias ${JSON.stringify(alias.source)} stands within itself` })
    }
  })
  return found
}

/** Values that an expansion of every alias comes to: a few lines can stand for gigabytes. */
export function expandedSize(document: Document.Parsed, targets: Targets): number {
  const sizes = new Map<unknown, number>()
  const sizeOf = (node: unknown): number => {
    if (isAlias(node)) {
      const target = targets.get(node)
      return target === undefined ? 0 : sizeOf(target)
    }
    if (isPair(node)) return sizeOf(node.value)
    if (!isCollection(node)) return 1
    const known = sizes.get(node)
    if (known !== undefined) return known
    // Of one that stands within itself, too: it is told apart.
    sizes.set(node, 0)
    let size = 1
    for (const item of node.items) size += sizeOf(item)
    sizes.set(node, size)
    return size
  }
  return sizeOf(document.contents)
}
