import { isPlugin } from '../hooks/plugin.js'
import { isPlain } from './document.js'
import { type Path, pathKey } from './path.js'

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

/**
 * Puts `${NAME}` and `${NAME:-default}` in the values of a configuration; keys stay as they are. As in a shell, the
 * default stands in for a variable that is empty, too.
 *
 * @param report what is wrong, and where
 */
export function substitute(
  written: unknown,
  env: NodeJS.ProcessEnv,
  report: (path: Path, message: string) => void
): Substituted {
  const typed = new Map<string, number | boolean>()

  const text = (value: string, path: Path): string => {
    if (!value.includes('${')) return value
    const result = value.replace(REFERENCE, (reference, inside: string) => {
      if (reference.startsWith('$$')) return reference.slice(1)
      const [, name, fallback] = reference.endsWith('}') ? (NAMED.exec(inside) ?? []) : []
      if (name === undefined) {
        report(
          path,
          `${JSON.stringify(reference)} is neither \${NAME} nor \${NAME:-default}: for the text itself write $\${`
        )
        return ''
      }
      const found = env[name]
      if (fallback !== undefined) return found === undefined || found === '' ? fallback : found
      if (found === undefined)
        report(path, `the environment has no ${name}: set it, or write \${${name}:-default}`)
      return found ?? ''
    })
    const scalar = /^\$\{[^}]*\}$/.test(value) ? scalarOf(result) : undefined
    if (scalar !== undefined) typed.set(pathKey(path), scalar)
    return result
  }

  const above = new Set<unknown>()
  const visit = (value: unknown, path: Path): unknown => {
    if (typeof value === 'string') return text(value, path)
    const list = Array.isArray(value)
    if (!list && (!isPlain(value) || isPlugin(value))) return value
    if (above.has(value)) {
      report(path, 'stands within itself')
      return undefined
    }
    above.add(value)
    const copy = list
      ? value.map((item, index) => visit(item, [...path, index]))
      : Object.fromEntries(Object.entries(value).map(([key, item]) => [key, visit(item, [...path, key])]))
    above.delete(value)
    return copy
  }

  return { value: visit(written, []), typed }
}

function scalarOf(text: string): number | boolean | undefined {
  if (text === 'true' || text === 'false') return text === 'true'
  return /^[-+]?\d+(\.\d+)?([eE][-+]?\d+)?$/.test(text) ? Number(text) : undefined
}
