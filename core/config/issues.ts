import type { z } from 'zod'
import { describe, UNION } from './messages.js'
import { type Path, valueAt } from './path.js'
import { either, expected } from './quote.js'
import { didYouMean } from './suggest.js'

/** One thing a schema found, ready to be told. */
export interface Finding {
  readonly path: Path
  /** Whether it is the key that is wrong, or the value. */
  readonly point: 'key' | 'value'
  readonly message: string
}

type Issue = z.core.$ZodIssue

export type Outcome<T> = { readonly value: T } | { readonly findings: readonly Finding[] }

/**
 * Checks `value`, with one finding for each thing wrong.
 *
 * @param extraKeys keys that were taken away before but may be meant by a misspelt one
 */
export async function check<T>(
  schema: z.ZodType<T>,
  value: unknown,
  extraKeys: readonly string[] = []
): Promise<Outcome<T>> {
  const reader = new IssueReader(value, extraKeys)
  const result = await schema.safeParseAsync(value, { error: reader.word })
  return result.success ? { value: result.data } : { findings: reader.readAll(result.error.issues) }
}

/** The same, by a schema that waits for nothing: in half the time. */
export function checkNow<T>(schema: z.ZodType<T>, value: unknown): Outcome<T> {
  const reader = new IssueReader(value, [])
  const result = schema.safeParse(value, { error: reader.word })
  return result.success ? { value: result.data } : { findings: reader.readAll(result.error.issues) }
}

class IssueReader {
  readonly #value: unknown
  readonly #extraKeys: readonly string[]
  /** By the very list that the issue carries on: zod gives the shape away only while the message is made. */
  #known: Map<unknown, string[]> | undefined

  constructor(value: unknown, extraKeys: readonly string[]) {
    this.#value = value
    this.#extraKeys = extraKeys
  }

  readonly word = (issue: z.core.$ZodRawIssue): string => {
    if (issue.code !== 'unrecognized_keys') return describe(issue)
    this.#known ??= new Map()
    this.#known.set(issue.keys, shapeKeys(issue.inst))
    return ''
  }

  readAll(issues: readonly Issue[]): Finding[] {
    return issues.flatMap((issue) => this.#read(issue, []))
  }

  #read(issue: Issue, base: Path): Finding[] {
    const path = [...base, ...issue.path]
    switch (issue.code) {
      case 'unrecognized_keys': {
        const keys = [...(this.#known?.get(issue.keys) ?? []), ...(path.length === 0 ? this.#extraKeys : [])]
        return issue.keys.map((key) => ({
          path: [...path, key],
          point: 'key',
          message: unknownKey(key, keys)
        }))
      }
      case 'invalid_union':
        return issue.message === UNION ? this.#readUnion(issue, path) : [told(issue, path)]
      case 'invalid_key': {
        const message = issue.issues[0]?.message ?? issue.message
        return [{ path, point: 'key', message }]
      }
      case 'invalid_element':
        return issue.issues.flatMap((inner) => this.#read(inner, path))
      default:
        return [told(issue, path)]
    }
  }

  /** Only the branch that was meant: the one whose own type the value has. */
  #readUnion(issue: Extract<Issue, { code: 'invalid_union' }>, path: Path): Finding[] {
    const branches = issue.errors.filter((branch) => !branch.some(isOfRoot))
    const best = branches.sort((a, b) => mistakenChoices(a) - mistakenChoices(b) || a.length - b.length)[0]
    if (best !== undefined) return best.flatMap((inner) => this.#read(inner, path))
    const wanted = issue.errors.map(
      (branch) =>
        /^(?:missing: )?expected (.*?)(?:, not .*)?$/s.exec(branch.find(isOfRoot)?.message ?? '')?.[1]
    )
    const input = valueAt(this.#value, path)
    const named = wanted.filter((what) => what !== undefined)
    const message =
      named.length === 0 ? expected('something else', input) : expected(either([...new Set(named)]), input)
    return [{ path, point: 'value', message }]
  }
}

function told(issue: Issue, path: Path): Finding {
  return { path, point: 'value', message: issue.message }
}

function isOfRoot(issue: Issue): boolean {
  return issue.path.length === 0 && (issue.code === 'invalid_type' || issue.code === 'invalid_value')
}

/** How many of a branch's fixed words (`kind: http`) the value does not have: the less, the likelier it was meant. */
function mistakenChoices(branch: readonly Issue[]): number {
  return branch.filter((issue) => issue.code === 'invalid_value').length
}

export function unknownKey(key: string, known: readonly string[]): string {
  const suggestion = didYouMean(key, known)
  if (suggestion !== '') return `unknown key ${JSON.stringify(key)}${suggestion}`
  return known.length === 0
    ? `unknown key ${JSON.stringify(key)}: there are none here`
    : `unknown key ${JSON.stringify(key)}: expected ${either(known)}`
}

/** The keys that a schema of an object names. */
export function shapeKeys(schema: unknown): string[] {
  const shape = (schema as { _zod?: { def?: { shape?: object } } } | undefined)?._zod?.def?.shape
  return shape === undefined ? [] : Object.keys(shape)
}
