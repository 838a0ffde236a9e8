export type JsonSchema = Readonly<Record<string, unknown>>

/** Keywords that hold schemas by name. */
const NAMED = new Set(['properties', 'patternProperties', '$defs', 'definitions'])
/** Keywords that hold a schema, or a list of them. */
const NESTED = new Set(['items', 'additionalItems', 'additionalProperties', 'anyOf', 'oneOf', 'allOf', 'not'])

/** A copy in which `change` has been at every schema, inner ones first. Names of keys are left alone. */
export function mapSchema(schema: JsonSchema, change: (schema: JsonSchema) => JsonSchema): JsonSchema {
  return change(mapParts(schema, (part) => mapSchema(part, change)))
}

/** A copy with each schema that stands directly in this one replaced. */
export function mapParts(schema: JsonSchema, change: (part: JsonSchema) => JsonSchema): JsonSchema {
  const one = (part: unknown) => (isSchema(part) ? change(part) : part)
  const copy: Record<string, unknown> = {}
  for (const [keyword, value] of Object.entries(schema)) {
    if (NAMED.has(keyword) && isSchema(value)) {
      copy[keyword] = Object.fromEntries(Object.entries(value).map(([name, part]) => [name, one(part)]))
    } else if (NESTED.has(keyword)) {
      copy[keyword] = Array.isArray(value) ? value.map(one) : one(value)
    } else {
      copy[keyword] = value
    }
  }
  return copy
}

/** `true` and `false` are schemas too, with nothing in them. */
function isSchema(part: unknown): part is JsonSchema {
  return typeof part === 'object' && part !== null && !Array.isArray(part)
}
