import type { ConfigSchema } from '../hooks/plugin.js'
import { type Path, pathKey } from './path.js'

type Schema = {
  _zod?: { def: Record<string, unknown> & { type: string } }
  meta?: () => Record<string, unknown> | undefined
}

/**
 * Where `value` has what its schema says is secret (true), or is none whatever it is called (false), by `pathKey`.
 *
 * @param base where the value stands
 * @param found what is added to
 */
export function secretPaths(
  schema: ConfigSchema,
  value: unknown,
  base: Path = [],
  found: Map<string, boolean> = new Map()
): Map<string, boolean> {
  if (!mentionsSecrets(schema)) return found
  if ('_zod' in schema) visitZod(schema as Schema, value, base, found)
  else visitJson(schema, value, base, found)
  return found
}

const mentions = new WeakMap<object, boolean>()

/** Most schemas say nothing of secrets, and a list may have ten thousand uses of one. */
function mentionsSecrets(schema: object): boolean {
  let found = mentions.get(schema)
  if (found === undefined) mentions.set(schema, (found = hasSecret(schema, new Set())))
  return found
}

function hasSecret(part: unknown, seen: Set<unknown>): boolean {
  if (typeof part !== 'object' || part === null || seen.has(part)) return false
  seen.add(part)
  const { _zod, meta } = part as Schema
  if (_zod !== undefined) {
    if (typeof meta?.call(part)?.secret === 'boolean') return true
    return partsOf(_zod.def).some((each) => hasSecret(each, seen))
  }
  const { secret, writeOnly, format } = part as JsonSchema
  if (secret !== undefined || writeOnly === true || format === 'password') return true
  return Object.values(part).some((each) => hasSecret(each, seen))
}

function partsOf(def: Record<string, unknown>): unknown[] {
  if (def.type === 'lazy') return [(def.getter as () => unknown)()]
  const { shape, valueType, element, options, left, right, in: input, out, innerType } = def
  const fields = typeof shape === 'object' && shape !== null ? Object.values(shape) : []
  const many = Array.isArray(options) ? options : []
  return [...fields, ...many, valueType, element, left, right, input, out, innerType]
}

/** Bounded by the value: a schema that contains itself is followed only as deep as that goes. */
function visitZod(schema: Schema | undefined, value: unknown, path: Path, found: Map<string, boolean>): void {
  const def = schema?._zod?.def
  if (schema === undefined || def === undefined || value === undefined) return
  const secret = schema.meta?.()?.secret
  if (typeof secret === 'boolean') {
    found.set(pathKey(path), secret)
    return
  }
  const inner = (name: string) => visitZod(def[name] as Schema, value, path, found)
  switch (def.type) {
    case 'object':
      for (const [key, field] of Object.entries(def.shape as Record<string, Schema>)) {
        visitZod(field, (value as Record<string, unknown> | null)?.[key], [...path, key], found)
      }
      return
    case 'record':
      for (const [key, item] of entriesOf(value))
        visitZod(def.valueType as Schema, item, [...path, key], found)
      return
    case 'array':
      for (const [key, item] of itemsOf(value)) visitZod(def.element as Schema, item, [...path, key], found)
      return
    case 'union':
      for (const option of def.options as Schema[]) visitZod(option, value, path, found)
      return
    case 'intersection':
      inner('left')
      inner('right')
      return
    case 'pipe':
      inner('in')
      inner('out')
      return
    case 'lazy':
      visitZod((def.getter as () => Schema)(), value, path, found)
      return
    default:
      inner('innerType')
  }
}

type JsonSchema = Readonly<Record<string, unknown>>

function visitJson(
  schema: JsonSchema | undefined,
  value: unknown,
  path: Path,
  found: Map<string, boolean>
): void {
  if (typeof schema !== 'object' || schema === null || value === undefined) return
  if (schema.secret === true || schema.writeOnly === true || schema.format === 'password') {
    found.set(pathKey(path), true)
    return
  }
  if (schema.secret === false) {
    found.set(pathKey(path), false)
    return
  }
  const properties = (schema.properties ?? {}) as Record<string, JsonSchema>
  for (const [key, item] of entriesOf(value)) {
    const field = Object.hasOwn(properties, key)
      ? properties[key]
      : (schema.additionalProperties as JsonSchema)
    visitJson(field, item, [...path, key], found)
  }
  for (const [key, item] of itemsOf(value)) visitJson(schema.items as JsonSchema, item, [...path, key], found)
}

function entriesOf(value: unknown): [string, unknown][] {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? Object.entries(value) : []
}

function itemsOf(value: unknown): Iterable<[number, unknown]> {
  return Array.isArray(value) ? value.entries() : []
}
