import { type Document, LineCounter, parseDocument, type YAMLError } from 'yaml'
import type { PositionArrays } from './positions.js'
import type { Problem } from './problem.js'
import { tooDeepAt } from './yaml-depth.js'
import { brokenAliases, expandedSize, keysThereTwice, placesOf, targetsOf } from './yaml-places.js'

/** Values that aliases may come to beyond those that are written out: a few lines can stand for gigabytes. */
const MAX_EXPANDED = 1_000_000

/** What the parser makes of a text. */
export interface LibraryRead {
  readonly problems: readonly Problem[]
  /** Undefined when the text has no shape that more could be said about. */
  readonly found:
    | { readonly written: unknown; readonly positions: PositionArrays; readonly lines: number[] }
    | undefined
}

/**
 * Reads YAML, and JSON as a part of it, by YAML's own parser: in one go, some 20 ms for 32 KiB.
 *
 * @param name as problems are to call the file
 */
export function readWithLibrary(text: string, name: string): LibraryRead {
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
    parsed = parseDocument(guarded, {
      lineCounter: lines,
      prettyErrors: false,
      merge: true,
      // Its own check compares each key with all before it.
      uniqueKeys: false
    })
  } catch (error) {
    return unusable([{ at: name, path: '', message: `cannot be read as YAML: ${(error as Error).message}` }])
  }
  // What follows a line's first error is mostly its echo.
  const told = new Map<number, Problem>()
  const tell = (offset: number, message: string) => {
    const { line } = lines.linePos(offset)
    if (!told.has(line)) told.set(line, { at: at(offset), path: '', message: restore(message) })
  }
  for (const error of [...parsed.errors, ...parsed.warnings]) tell(error.pos[0], wording(error))
  for (const { offset, key } of keysThereTwice(parsed))
    tell(offset, `the key ${JSON.stringify(key)} is there twice`)
  const problems = [...told.values()]
  if (parsed.errors.length > 0) return unusable(problems)
  const targets = targetsOf(parsed)
  for (const { offset, message } of brokenAliases(parsed, targets))
    problems.push({ at: at(offset), path: '', message })
  if (expandedSize(parsed, targets) > MAX_EXPANDED)
    return unusable([
      ...problems,
      {
        at: name,
        path: '',
        message: `its aliases (*name) expand to too much: more than ${MAX_EXPANDED} values`
      }
    ])
  try {
    const written = restoreAll(parsed.toJS({ maxAliasCount: -1 }), restore)
    const positions = placesOf(parsed, targets, written, restore)
    return { problems, found: { written, positions, lines: lines.lineStarts } }
  } catch (error) {
    if (problems.length > 0) return unusable(problems)
    return unusable([{ at: name, path: '', message: `cannot be read as YAML: ${(error as Error).message}` }])
  }
}

function unusable(problems: readonly Problem[]): LibraryRead {
  return { problems, found: undefined }
}

/**
 * In a flow collection, `{ address: ${ADDRESS} }`, YAML takes the braces of a reference for its own. They are hidden
 * from it behind two characters that the text does not have, one for one, so that no position moves.
 */
function guardReferences(text: string): { guarded: string; restore: (text: string) => string } {
  if (!text.includes('${')) return { guarded: text, restore: (guarded) => guarded }
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

/** What aliases share is shared no more. */
function restoreAll(value: unknown, restore: (text: string) => string): unknown {
  if (typeof value === 'string') return restore(value)
  if (Array.isArray(value)) return value.map((item) => restoreAll(item, restore))
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(
    Object.entries(value).map(([key, item]) => [restore(key), restoreAll(item, restore)])
  )
}

function wording(error: YAMLError): string {
  switch (error.code) {
    case 'MULTIPLE_DOCS':
      return 'a second document begins here: a configuration is one, without "---"'
    case 'TAG_RESOLVE_FAILED':
      return `${error.message}: a configuration has no tags`
    default:
      return error.message
  }
}

/** For what is found before the parser has counted lines. */
function positionOf(text: string, offset: number): { line: number; col: number } {
  const before = text.slice(0, offset).split('\n')
  return { line: before.length, col: (before.at(-1) as string).length + 1 }
}
