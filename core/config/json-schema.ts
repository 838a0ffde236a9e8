import { z } from 'zod'
import type { ConfigSchema, Place, Plugin } from '../hooks/plugin.js'
import type { Host } from '../host.js'
import { ENVIRONMENT, withEnvironment } from './json-schema-environment.js'
import { type JsonSchema, mapSchema } from './json-schema-walk.js'
import { commonKeys } from './listings.js'
import { fileSchema, LISTINGS } from './schema.js'
import { closed } from './strict.js'

const PLACES: readonly Place[] = ['top', 'route', 'service']

const OTHER_PLUGIN: JsonSchema = {
  description:
    "A plugin of a file (./plugins/mine.ts) or of a package: its own configuration, and every plugin's keys.",
  type: ['object', 'null'],
  properties: toJson(commonKeys).properties as object
}

/**
 * The JSON Schema (draft 7) of a configuration file, built-in plugins' configurations included, for editors to complete
 * and check by. It lets more pass than `loadConfig` does: plugins of files and packages may have any keys, and what one
 * part asks of another it does not know.
 */
export async function configSchema(host: Host): Promise<object> {
  const plugins = await Promise.all([...host.builtins].map(async ([, load]) => load()))
  plugins.sort((a, b) => a.name.localeCompare(b.name))
  const definitions: Record<string, JsonSchema> = { environment: ENVIRONMENT, plugin: OTHER_PLUGIN }
  for (const plugin of plugins) Object.assign(definitions, definitionsOf(plugin))
  for (const place of PLACES) definitions[listingAt(place)] = listing(place, plugins)

  const file = mapSchema(toJson(fileSchema), (schema) => {
    const place = schema[LISTINGS]
    if (place === undefined) return schema
    const { [LISTINGS]: _, ...rest } = schema
    return { ...rest, items: reference(listingAt(place as Place)) }
  })
  return {
    $schema: 'http://json-schema.org/draft-07/schema#',
    title: 'outrigger configuration',
    ...withEnvironment(file),
    definitions: Object.fromEntries(
      Object.entries(definitions).map(([name, schema]) => [
        name,
        name === 'environment' ? schema : withEnvironment(schema)
      ])
    )
  }
}

function listingAt(place: Place): string {
  return `plugin-${place}`
}

function reference(definition: string): JsonSchema {
  return { $ref: `#/definitions/${definition}` }
}

function listing(place: Place, plugins: readonly Plugin[]): JsonSchema {
  const here = plugins.filter(({ places }) => places === undefined || places.includes(place))
  const properties: Record<string, unknown> = {}
  for (const plugin of plugins) {
    // A name that is known and does not stand here is no package's either.
    properties[plugin.name] = here.includes(plugin)
      ? { anyOf: [reference(`config-${plugin.name}`), { type: 'null' }] }
      : false
  }
  return {
    anyOf: [
      { enum: here.map(({ name }) => name) },
      { type: 'string', description: 'A file, such as ./plugins/mine.ts, or a package.', minLength: 1 },
      {
        type: 'object',
        minProperties: 1,
        maxProperties: 1,
        properties,
        additionalProperties: reference('plugin')
      }
    ]
  }
}

/** A plugin's configuration, and what it refers to within itself, under names of its own. */
function definitionsOf(plugin: Plugin): Record<string, JsonSchema> {
  const own = `config-${plugin.name}`
  const { definitions, $defs, $schema, ...schema } = configOf(plugin)
  const inner = { ...(definitions as object), ...($defs as object) } as Record<string, JsonSchema>
  const rename = (part: JsonSchema): JsonSchema =>
    mapSchema(part, (each) => {
      if (typeof each.$ref !== 'string') return each
      const [, name] = /^#\/(?:definitions|\$defs)\/(.+)$/.exec(each.$ref) ?? []
      return { ...each, ...reference(name === undefined ? own : `${own}-${name}`) }
    })
  const described = plugin.description === undefined ? {} : { description: plugin.description }
  return {
    [own]: { ...described, ...withCommonKeys(rename(schema)) },
    ...Object.fromEntries(Object.entries(inner).map(([name, part]) => [`${own}-${name}`, rename(part)]))
  }
}

function configOf({ config }: Plugin): JsonSchema {
  const schema = config as ConfigSchema | undefined
  if (schema === undefined) return { type: 'object', additionalProperties: false }
  return '_zod' in schema ? toJson(schema as z.ZodType) : closed(schema)
}

/** In each form that a configuration may take. */
function withCommonKeys(schema: JsonSchema): JsonSchema {
  for (const kind of ['anyOf', 'oneOf']) {
    const branches = schema[kind]
    if (Array.isArray(branches))
      return { ...schema, [kind]: branches.map((branch) => withCommonKeys(branch)) }
  }
  const common = toJson(commonKeys).properties as object
  return { ...schema, properties: { ...(schema.properties as object), ...common } }
}

function toJson(schema: z.ZodType): JsonSchema {
  return z.toJSONSchema(schema, {
    io: 'input',
    target: 'draft-7',
    unrepresentable: 'any',
    override: ({ zodSchema, jsonSchema }) => {
      const { type } = zodSchema._zod.def
      // As `configSchemaOf` makes it.
      if (type === 'object' && !('additionalProperties' in jsonSchema))
        jsonSchema.additionalProperties = false
    }
  }) as JsonSchema
}
