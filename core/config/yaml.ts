import {
  type Document,
  isAlias,
  isMap,
  isNode,
  isPair,
  isScalar,
  isSeq,
  LineCounter,
  type Node,
  type Pair,
  type ParsedNode,
  parseDocument,
  visit,
  type YAMLError
} from 'yaml'
import type { Location, Point, SourceDocument } from './document.js'
import { formatPath, type Path } from './path.js'
import type { Problem } from './problem.js'
import { tooDeepAt } from './yaml-depth.js'

/** Above this an alias within aliases is taken for an attack: a few lines can stand for gigabytes. */
const MAX_ALIASES = 100

type Read = {
  readonly document: YamlDocument
  readonly problems: readonly Problem[]
  readonly usable: boolean
}

/**
 * Reads YAML, and JSON as a part of it.
 *
 * @param name as problems are to call the file
 * @returns with `usable` false when the text has no shape that more could be said about
 */
export function readYaml(text: string, name: string): Read {
  const lines = new LineCounter()
  const { guarded, restore } = guardReferences(text)
  const at = (offset: number) => {
    const { line, col } = lines.linePos(offset)
    return `${name}:${line}:${col}`
  }
  const deep = tooDeepAt(guarded)
  if (deep !== undefined) {
    const { line, col } = positionOf(text, deep)
    return unusable([
      { at: `${name}:${line}:${col}`, path: '', message: 'nests deeper than a configuration does' }
    ])
  }
  let parsed: Document.Parsed
  try {
    parsed = parseDocument(guarded, { lineCounter: lines, prettyErrors: false, merge: true })
  } catch (error) {
    return unusable([{ at: name, path: '', message: `cannot be read as YAML: ${(error as Error).message}` }])
  }
  // What follows a line's first error is mostly its echo.
  const told = new Map<number, Problem>()
  for (const error of [...parsed.errors, ...parsed.warnings]) {
    const { line } = lines.linePos(error.pos[0])
    if (!told.has(line))
      told.set(line, { at: at(error.pos[0]), path: '', message: restore(wording(error, guarded)) })
  }
  const problems = [...told.values()]
  if (parsed.errors.some((error) => error.code !== 'DUPLICATE_KEY')) return unusable(problems)
  problems.push(...aliasProblems(parsed, at))
  try {
    const written = restoreAll(parsed.toJS({ maxAliasCount: MAX_ALIASES }), restore)
    return { document: new YamlDocument(name, parsed, written, lines, restore), problems, usable: true }
  } catch (error) {
    if (problems.length > 0) return unusable(problems)
    const message = /alias count/i.test((error as Error).message)
      ? `its aliases (*name) expand to too much: more than ${MAX_ALIASES} within each other`
      : `cannot be read as YAML: ${(error as Error).message}`
    return unusable([{ at: name, path: '', message }])
  }

  function unusable(all: readonly Problem[]): Read {
    const empty = parseDocument('') as Document.Parsed
    return {
      document: new YamlDocument(name, empty, undefined, lines, restore),
      problems: all,
      usable: false
    }
  }
}

/**
 * In a flow collection, `{ address: ${ADDRESS} }`, YAML takes the braces of a reference for its own. They are hidden
 * from it behind two characters that the text does not have, one for one, so that no position moves.
 */
function guardReferences(text: string): { guarded: string; restore: (text: string) => string } {
  const spare = []
  for (let code = 0xe000; spare.length < 2; code++) {
    const character = String.fromCharCode(code)
    if (!text.includes(character)) spare.push(character)
  }
  const [open, close] = spare as [string, string]
  return {
    guarded: text.replace(/\$\{([^{}\n]*)\}/g, `$$${open}$1${close}`),
    restore: (guarded) => guarded.replaceAll(open, '{').replaceAll(close, '}')
  }
}

function restoreAll(value: unknown, restore: (text: string) => string): unknown {
  if (typeof value === 'string') return restore(value)
  if (Array.isArray(value)) return value.map((item) => restoreAll(item, restore))
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(
    Object.entries(value).map(([key, item]) => [restore(key), restoreAll(item, restore)])
  )
}

function wording(error: YAMLError, text: string): string {
  switch (error.code) {
    case 'DUPLICATE_KEY':
      return `the key ${JSON.stringify(keyAt(text, error.pos[0]))} is there twice`
    case 'MULTIPLE_DOCS':
      return 'a second document begins here: a configuration is one, without "---"'
    case 'TAG_RESOLVE_FAILED':
      return `${error.message}: a configuration has no tags`
    default:
      return error.message
  }
}

function keyAt(text: string, offset: number): string {
  const [, quoted, plain] = /^(?:["']([^"'\n]*)["']|([^:\n]*))/.exec(text.slice(offset)) ?? []
  return (quoted ?? plain ?? '').trim()
}

/** For what is found before the parser has counted lines. */
function positionOf(text: string, offset: number): { line: number; col: number } {
  const before = text.slice(0, offset).split('\n')
  return { line: before.length, col: (before.at(-1) as string).length + 1 }
}

/** Aliases to nothing, and those that stand within what they stand for. */
function aliasProblems(document: Document.Parsed, at: (offset: number) => string): Problem[] {
  const problems: Problem[] = []
  visit(document, {
    Alias(_key, alias, above) {
      const target = alias.resolve(document)
      const name = JSON.stringify(alias.source)
      const place = at(alias.range?.[0] ?? 0)
      if (target === undefined)
        problems.push({ at: place, path: '', message: `no anchor &${alias.source} before this alias` })
      else if (above.includes(target))
        problems.push({ at: place, path: '', message: `the alias ${name} stands within itself` })
    }
  })
  return problems
}

class YamlDocument implements SourceDocument {
  readonly name: string
  readonly written: unknown
  readonly #document: Document.Parsed
  readonly #lines: LineCounter
  readonly #restore: (text: string) => string

  constructor(
    name: string,
    document: Document.Parsed,
    written: unknown,
    lines: LineCounter,
    restore: (text: string) => string
  ) {
    this.name = name
    this.written = written
    this.#document = document
    this.#lines = lines
    this.#restore = restore
  }

  locate(path: Path, point: Point): Location {
    let node: Node | null = this.#document.contents as ParsedNode | null
    let place: Node | null | undefined = node
    for (const [index, part] of path.entries()) {
      const found = this.#child(node, part)
      // The rest is missing: what it is missing from is named, by its key if it has one.
      if (found === undefined) break
      node = found.value
      const last = index === path.length - 1
      place = last && point === 'value' ? (found.value ?? found.key) : (found.key ?? found.value)
    }
    const offset = place?.range?.[0] ?? 0
    const { line, col } = this.#lines.linePos(offset)
    return { at: `${this.name}:${Math.max(1, line)}:${Math.max(1, col)}`, order: offset }
  }

  label(path: Path): string {
    return this.locate(path, 'value').at ?? formatPath(path)
  }

  #child(parent: Node | null, part: PropertyKey): { key: Node | undefined; value: Node | null } | undefined {
    const node = isAlias(parent) ? (parent.resolve(this.#document) ?? null) : parent
    if (isSeq(node)) {
      const item = node.items[Number(part)]
      if (item === undefined) return undefined
      return { key: undefined, value: isNode(item) ? item : isPair(item) ? (item.key as Node) : null }
    }
    if (!isMap(node)) return undefined
    const merged: unknown[] = []
    // Of a key that is there twice, the second counts, and is also what is complained about.
    for (const pair of [...node.items].reverse() as Pair<Node, Node | null>[]) {
      const key = isScalar(pair.key) ? this.#restore(String(pair.key.value)) : String(pair.key)
      if (key === String(part)) return { key: pair.key, value: pair.value }
      // The parser gives an unquoted `<<` as a symbol.
      if (key === '<<' || (isScalar(pair.key) && typeof pair.key.value === 'symbol'))
        merged.push(...(isSeq(pair.value) ? pair.value.items : [pair.value]))
    }
    for (const from of merged) {
      const found = this.#child(from as Node, part)
      if (found !== undefined) return found
    }
    return undefined
  }
}
