import { isPlugin } from '../hooks/plugin.js'
import { isPlain, type SourceDocument } from './document.js'
import { type Path, pathKey, putKey } from './path.js'

export interface Substituted {
  readonly value: unknown
  /**
   * What a value that came whole from the environment is when it is no text: a number or a boolean, by `pathKey`. The
   * environment holds text alone, so which one is meant is for the schema to say: a key of digits is no number.
   */
  readonly typed: ReadonlyMap<string, number | boolean>
}

/** `$${` is a plain `${`. */
const REFERENCE = /\$?\$\{([^}]*)\}?/g
const NAMED = /^([A-Za-z_]\w*)(?::-((?:(?!\$\{).)*))?$/s

/** Levels of a configuration at which there is a pause behind each value: its parts, and each service and route. */
const PAUSED = 2

/**
 * Puts `${NAME}` and `${NAME:-default}` in the values of a configuration; keys stay as they are. As in a shell, the
 * default stands in for a variable that is empty, too.
 *
 * @param report what is wrong, and where
 */
export function* substitute(
  { written, owned }: Pick<SourceDocument, 'written' | 'owned'>,
  env: NodeJS.ProcessEnv,
  report: (path: Path, message: string) => void
): Generator<void, Substituted> {
  const typed = new Map<string, number | boolean>()
  const path: PropertyKey[] = []

  const text = (value: string): string => {
    if (!value.includes('${')) return value
    const result = value.replace(REFERENCE, (reference, inside: string) => {
      if (reference.startsWith('$$')) return reference.slice(1)
      const [, name, fallback] = reference.endsWith('}') ? (NAMED.exec(inside) ?? []) : []
      if (name === undefined) {
        report(
          [...path],
          `${JSON.stringify(reference)} is neither \${NAME} nor \${NAME:-default}: for the text itself write $\${`
        )
        return ''
      }
      const found = env[name]
      if (fallback !== undefined) return found === undefined || found === '' ? fallback : found
      if (found === undefined)
        report([...path], `the environment has no ${name}: set it, or write \${${name}:-default}`)
      return found ?? ''
    })
    const scalar = /^\$\{[^}]*\}$/.test(value) ? scalarOf(result) : undefined
    if (scalar !== undefined) typed.set(pathKey(path), scalar)
    return result
  }

  const above = new Set<unknown>()
  const visit = (value: unknown): unknown => {
    if (typeof value === 'string') return text(value)
    if (!isTree(value)) return value
    if (isWithinItself(value)) return undefined
    // What nobody else holds is copied only where it changes.
    let copy = owned ? undefined : emptyLike(value)
    above.add(value)
    for (const key of keysOf(value)) {
      const item = value[key]
      path.push(key)
      const changed = visit(item)
      path.pop()
      if (changed !== item) copy ??= copyOf(value)
      if (copy !== undefined) putKey(copy, key, changed)
    }
    above.delete(value)
    return copy ?? value
  }

  const visitWide = function* (value: unknown, levels: number): Generator<void, unknown> {
    if (levels === 0 || !isTree(value)) return visit(value)
    if (isWithinItself(value)) return undefined
    const copy = emptyLike(value)
    above.add(value)
    for (const key of keysOf(value)) {
      path.push(key)
      putKey(copy, key, yield* visitWide(value[key], levels - 1))
      path.pop()
      yield
    }
    above.delete(value)
    return copy
  }

  const isWithinItself = (value: object): boolean => {
    if (owned || !above.has(value)) return false
    report([...path], 'stands within itself')
    return true
  }

  return { value: yield* visitWide(written, PAUSED), typed }
}

type Tree = Record<PropertyKey, unknown>

function isTree(value: unknown): value is Tree {
  return Array.isArray(value) || (isPlain(value) && !isPlugin(value))
}

function keysOf(value: Tree): Iterable<PropertyKey> {
  return Array.isArray(value) ? value.keys() : Object.keys(value)
}

function emptyLike(value: Tree): Tree {
  return (Array.isArray(value) ? [] : {}) as Tree
}

function copyOf(value: Tree): Tree {
  return (Array.isArray(value) ? [...value] : { ...value }) as Tree
}

function scalarOf(text: string): number | boolean | undefined {
  if (text === 'true' || text === 'false') return text === 'true'
  return /^[-+]?\d+(\.\d+)?([eE][-+]?\d+)?$/.test(text) ? Number(text) : undefined
}
