import type { z } from 'zod'
import type { Substituted } from './environment.js'
import { check, checkNow, type Outcome } from './issues.js'
import { type Path, pathKey, withValueAt } from './path.js'

/**
 * Checks a part of a configuration. What came whole from the environment is text first, and the number or the boolean
 * that it spells where text will not do.
 *
 * @param base where the part stands
 * @param extraKeys keys that were taken away before, but may be meant by a misspelt one
 */
export async function checkPart<T>(
  schema: z.ZodType<T>,
  value: unknown,
  base: Path,
  typed: Substituted['typed'],
  extraKeys: readonly string[] = []
): Promise<Outcome<T>> {
  const first = await check(schema, value, extraKeys)
  const changed = typedFor(first, value, base, typed)
  return changed === value ? first : check(schema, changed, extraKeys)
}

/** The same, by a schema that waits for nothing. */
export function checkPartNow<T>(
  schema: z.ZodType<T>,
  value: unknown,
  base: Path,
  typed: Substituted['typed']
): Outcome<T> {
  const first = checkNow(schema, value)
  const changed = typedFor(first, value, base, typed)
  return changed === value ? first : checkNow(schema, changed)
}

function typedFor(first: Outcome<unknown>, value: unknown, base: Path, typed: Substituted['typed']): unknown {
  if ('value' in first || typed.size === 0) return value
  let changed = value
  for (const { path, point } of first.findings) {
    const other = point === 'value' ? typed.get(pathKey([...base, ...path])) : undefined
    if (other !== undefined) changed = withValueAt(changed, path, other)
  }
  return changed
}
