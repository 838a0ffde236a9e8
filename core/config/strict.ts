import { z } from 'zod'
import type { ConfigSchema, Plugin } from '../hooks/plugin.js'
import { type JsonSchema, mapParts, mapSchema } from './json-schema-walk.js'

type AnySchema = z.ZodType & { _zod: { def: Record<string, unknown> & { type: string } } }

const converted = new WeakMap<Plugin, z.ZodType>()

/**
 * The schema that a plugin's configuration is checked by: its own, in which a key that no object names is an error, at
 * every depth. A plugin without one takes no keys.
 *
 * @throws Error when its JSON Schema uses what cannot be checked, or when it is no schema at all
 */
export function configSchemaOf(plugin: Plugin): z.ZodType {
  let schema = converted.get(plugin)
  if (schema === undefined)
    converted.set(plugin, (schema = convert(plugin.config as ConfigSchema | undefined)))
  return schema
}

function convert(config: ConfigSchema | undefined): z.ZodType {
  if (config === undefined) return z.strictObject({})
  if ('_zod' in config) return strictly(config as AnySchema, new Map())
  if (config.type !== 'object')
    throw new Error('it is neither a zod 4 schema nor a JSON Schema of type object')
  // A registry of its own: zod's global one would keep what has an `$id`, of every reload.
  return z.fromJSONSchema(closed(config) as z.core.JSONSchema.JSONSchema, { registry: z.registry() })
}

/** A copy in which objects that say nothing of other keys have none. */
function strictly(schema: AnySchema, done: Map<AnySchema, AnySchema>): AnySchema {
  const known = done.get(schema)
  if (known !== undefined) return known
  const { def } = schema._zod
  const one = (name: string) => (def[name] === undefined ? undefined : strictly(def[name] as AnySchema, done))
  const many = (name: string) => (def[name] as AnySchema[]).map((each) => strictly(each, done))
  const change = changeOf()
  if (change === undefined) return schema
  const copy = schema.clone(z.core.util.mergeDefs(def, change) as never) as AnySchema
  done.set(schema, copy)
  return copy

  function changeOf(): object | undefined {
    switch (def.type) {
      case 'object':
        return objectChange()
      case 'array':
        return { element: one('element') }
      case 'record':
        return { valueType: one('valueType') }
      case 'tuple':
        return { items: many('items'), rest: def.rest === null ? null : one('rest') }
      case 'intersection':
        return { left: one('left'), right: one('right') }
      case 'union':
        return { options: many('options') }
      case 'pipe':
        return { in: one('in'), out: one('out') }
      case 'optional':
      case 'nullable':
      case 'default':
      case 'prefault':
      case 'nonoptional':
      case 'readonly':
      case 'catch':
        return { innerType: one('innerType') }
      case 'lazy':
        return { getter: () => strictly((def.getter as () => AnySchema)(), done) }
      default:
        return undefined
    }
  }

  /** Its fields later, when they are asked for: an object may be among its own. */
  function objectChange(): object {
    let shape: Record<string, AnySchema> | undefined
    return {
      get shape() {
        shape ??= Object.fromEntries(
          Object.entries(def.shape as Record<string, AnySchema>).map(([key, field]) => [
            key,
            strictly(field, done)
          ])
        )
        return shape
      },
      catchall: def.catchall ?? z.never()
    }
  }
}

/** Keywords that bring properties from elsewhere: an object with one of these cannot tell what it does not name. */
const COMPOSED = ['allOf', 'anyOf', 'oneOf', 'patternProperties', '$ref']

/** A JSON Schema in which objects that name their properties have no others, unless they say so. */
export function closed(schema: JsonSchema): JsonSchema {
  return close(
    mapParts(schema, (part) => mapSchema(part, (each) => close(each, each.properties !== undefined))),
    true
  )
}

function close(schema: JsonSchema, named: boolean): JsonSchema {
  const composed = COMPOSED.some((keyword) => keyword in schema)
  if (schema.type !== 'object' || !named || composed || 'additionalProperties' in schema) return schema
  return { ...schema, additionalProperties: false }
}
