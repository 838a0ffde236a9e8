import { z } from 'zod'
import { configSchemaOf } from '../config/strict.js'
import type { ConfigSchema, Plugin } from '../hooks/plugin.js'

/** As much of JSON Schema as a plugin's config is described with. */
export interface JsonSchema {
  readonly type?: string | readonly string[]
  readonly description?: string
  readonly default?: unknown
  readonly const?: unknown
  readonly enum?: readonly unknown[]
  readonly anyOf?: readonly JsonSchema[]
  readonly oneOf?: readonly JsonSchema[]
  readonly properties?: Readonly<Record<string, JsonSchema>>
  readonly required?: readonly string[]
  readonly additionalProperties?: JsonSchema | boolean
  readonly items?: JsonSchema | boolean
  readonly minimum?: number
  readonly [keyword: string]: unknown
}

/** One key of a plugin's config, for a list. */
export interface ConfigKey {
  /** Dotted; `NAME` stands for any key. */
  path: string
  type: string
  required: boolean
  /** As JSON; undefined: none. */
  default: string | undefined
  description: string | undefined
}

/** What a user may write, before defaults are filled in. Undefined for a plugin without config. */
export function schemaOf(plugin: Plugin): JsonSchema | undefined {
  const schema = plugin.config as ConfigSchema | undefined
  if (schema === undefined) return undefined
  if (!('_zod' in schema)) return schema as JsonSchema
  const { $schema, ...rest } = z.toJSONSchema(schema as z.ZodType, { io: 'input', unrepresentable: 'any' })
  return rest as JsonSchema
}

/** Every key, those of nested objects after the one that holds them. */
export function configKeys(schema: JsonSchema, prefix = ''): ConfigKey[] {
  const keys: ConfigKey[] = []
  for (const [name, inner] of Object.entries(schema.properties ?? {})) {
    const path = `${prefix}${name}`
    keys.push({
      path,
      type: typeOf(inner),
      required: schema.required?.includes(name) === true && inner.default === undefined,
      // Of an object with keys of its own, each key says its default.
      default:
        inner.default === undefined || inner.properties !== undefined
          ? undefined
          : JSON.stringify(inner.default),
      description: inner.description
    })
    keys.push(...configKeys(inner, `${path}.`))
  }
  if (typeof schema.additionalProperties === 'object')
    keys.push(...configKeys(schema.additionalProperties, `${prefix}NAME.`))
  return keys
}

function typeOf(schema: JsonSchema | boolean | undefined): string {
  if (schema === undefined || typeof schema === 'boolean') return 'anything'
  if (schema.const !== undefined) return JSON.stringify(schema.const)
  if (schema.enum !== undefined) return schema.enum.map((value) => JSON.stringify(value)).join(' | ')
  const choices = schema.anyOf ?? schema.oneOf
  if (choices !== undefined) return [...new Set(choices.map(typeOf))].join(' | ')
  if (Array.isArray(schema.type)) return schema.type.join(' | ')
  if (schema.type === 'array') return `list of ${typeOf(schema.items as JsonSchema)}`
  if (schema.type !== 'object') return typeof schema.type === 'string' ? schema.type : 'anything'
  if (schema.properties !== undefined) return 'object'
  return `{ NAME: ${typeOf(schema.additionalProperties)} }`
}

/**
 * Configs with which a plugin can be asked what it does: one, and one more for each choice of each key that has
 * choices, since its hooks may hang on them. The schema's own check may refuse them (a pattern, a count); they are then
 * given as they are.
 */
export function sampleConfigs(plugin: Plugin): unknown[] {
  const described = schemaOf(plugin)
  if (described === undefined) return [{}]
  const base = sampleOf(described) as Record<string, unknown>
  const samples = [base]
  for (const [name, { enum: choices = [] }] of Object.entries(described.properties ?? {})) {
    for (const choice of choices) samples.push({ ...base, [name]: choice })
  }
  const schema = configSchemaOf(plugin)
  return samples.map((sample) => {
    const parsed = schema.safeParse(sample)
    return parsed.success ? parsed.data : sample
  })
}

function sampleOf(schema: JsonSchema): unknown {
  if (schema.default !== undefined) return schema.default
  if (schema.const !== undefined) return schema.const
  if (schema.enum !== undefined) return schema.enum[0]
  const choice = (schema.anyOf ?? schema.oneOf)?.[0]
  if (choice !== undefined) return sampleOf(choice)
  switch (Array.isArray(schema.type) ? schema.type[0] : schema.type) {
    case 'array':
      return []
    case 'string':
      return ''
    case 'number':
    case 'integer':
      return schema.minimum ?? 1
    case 'boolean':
      return false
    case 'object': {
      const wanted = Object.entries(schema.properties ?? {}).filter(
        ([name, inner]) => inner.default !== undefined || schema.required?.includes(name)
      )
      return Object.fromEntries(wanted.map(([name, inner]) => [name, sampleOf(inner)]))
    }
    default:
      return null
  }
}
