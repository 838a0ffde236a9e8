/** Where a value stands in a configuration. */
export type Path = readonly PropertyKey[]

/** Dotted, list positions in brackets, a key that is no plain word in brackets and quotes. */
export function formatPath(path: Path): string {
  let text = ''
  for (const part of path) {
    if (typeof part === 'number') text += `[${part}]`
    else if (/^[\w$-]+$/.test(String(part))) text += text === '' ? String(part) : `.${String(part)}`
    else text += `[${JSON.stringify(String(part))}]`
  }
  return text
}

export function valueAt(value: unknown, path: Path): unknown {
  let at = value
  for (const part of path) {
    if (typeof at !== 'object' || at === null || !Object.hasOwn(at, part)) return undefined
    at = (at as Record<PropertyKey, unknown>)[part]
  }
  return at
}

/** A copy in which `path` holds `replacement`; what is not on the way is shared. */
export function withValueAt(value: unknown, path: Path, replacement: unknown): unknown {
  const [part, ...rest] = path
  if (part === undefined) return replacement
  const copy: Record<PropertyKey, unknown> = (
    Array.isArray(value) ? [...value] : { ...(value as object) }
  ) as Record<PropertyKey, unknown>
  copy[part] = withValueAt(copy[part], rest, replacement)
  return copy
}

/** Gives an object or a list this key, `__proto__` too. */
export function putKey(target: Record<PropertyKey, unknown>, key: PropertyKey, value: unknown): void {
  if (key === '__proto__')
    Object.defineProperty(target, key, { value, enumerable: true, configurable: true, writable: true })
  else target[key] = value
}

/** The same text for the same place, whatever its keys hold. */
export function pathKey(path: Path): string {
  return JSON.stringify(path.map(String))
}
