import { type JsonSchema, mapParts } from './json-schema-walk.js'

/** What may stand for any value: text that the environment completes. */
export const ENVIRONMENT: JsonSchema = {
  // biome-ignore lint/suspicious/noTemplateCurlyInString: it is what a user types
  description: 'Read from the environment: ${NAME}, or ${NAME:-default}.',
  type: 'string',
  pattern: '\\$\\{[A-Za-z_]\\w*(:-[^}]*)?\\}'
}

const REFERENCE: JsonSchema = { $ref: '#/definitions/environment' }

/** What is said of a value, whichever form it takes. */
const ABOUT = new Set(['title', 'description', 'default', 'examples', 'writeOnly'])

/** A copy in which every value that is not any text may also be `${NAME}`, and secrets are marked as JSON Schema does. */
export function withEnvironment(schema: JsonSchema): JsonSchema {
  const marked = markSecret(schema)
  if (isLeaf(marked)) {
    const entries = Object.entries(marked)
    const about = Object.fromEntries(entries.filter(([keyword]) => ABOUT.has(keyword)))
    const form = Object.fromEntries(entries.filter(([keyword]) => !ABOUT.has(keyword)))
    return { ...about, anyOf: [form, REFERENCE] }
  }
  const { anyOf } = marked
  if (!Array.isArray(anyOf) || !anyOf.some(isLeaf)) return mapParts(marked, withEnvironment)
  return {
    ...marked,
    anyOf: [...anyOf.map((part) => (isLeaf(part) ? part : withEnvironment(part))), REFERENCE]
  }
}

/** A value that is not made of others, and for which not any text will do. */
function isLeaf(schema: JsonSchema): boolean {
  const { type, const: fixed, pattern, format } = schema
  if (schema.enum !== undefined || fixed !== undefined) return true
  if (type === 'number' || type === 'integer' || type === 'boolean') return true
  return type === 'string' && (pattern !== undefined || format !== undefined)
}

function markSecret(schema: JsonSchema): JsonSchema {
  if (schema.secret !== true) return schema
  const { secret: _, ...rest } = schema
  return { ...rest, writeOnly: true }
}
