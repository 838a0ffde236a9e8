import type { MatchConfig } from '../config/types.js'
import { normalisePath } from '../exchange/path.js'
import type { Exchange, HeaderList } from '../hooks/types.js'

/** What a match is decided on. */
export interface Subject {
  readonly method: string
  readonly host: string
  readonly path: string
  readonly query: string
  readonly headers: Pick<HeaderList, 'get'>
}

/** One condition of a route beside host and path, with the words `explain` uses for it. */
export interface Condition {
  readonly words: string
  holds(subject: Subject): boolean
}

export interface PathPattern {
  /** `/orders/` for `/orders/*`, whole for an exact one. */
  readonly text: string
  readonly prefix: boolean
}

/** Patterns are normalised as requests are, so that a pattern written with `%C3%A9` or `//` can match. */
export function pathPattern(path: string): PathPattern {
  const prefix = path.endsWith('/*')
  const text = prefix ? path.slice(0, -1) : path
  return { text: normalisePath(text)?.path ?? text, prefix }
}

export function pathHolds(pattern: PathPattern, path: string): boolean {
  return pattern.prefix ? path.startsWith(pattern.text) : path === pattern.text
}

export function conditionsOf({
  methods,
  headers,
  query
}: Pick<MatchConfig, 'methods' | 'headers' | 'query'>): Condition[] {
  const conditions: Condition[] = []
  if (methods !== undefined) {
    const set = new Set(methods)
    conditions.push({ words: `method is ${methods.join(' or ')}`, holds: ({ method }) => set.has(method) })
  }
  for (const [name, wanted] of Object.entries(headers ?? {})) {
    conditions.push(
      wanted === '*'
        ? { words: `header ${name} is present`, holds: (subject) => subject.headers.get(name) !== undefined }
        : {
            words: `header ${name} is ${JSON.stringify(wanted)}`,
            holds: (subject) => subject.headers.get(name) === wanted
          }
    )
  }
  for (const [name, wanted] of Object.entries(query ?? {})) {
    conditions.push(
      wanted === '*'
        ? {
            words: `query ${name} is present`,
            holds: (subject) => new URLSearchParams(subject.query).has(name)
          }
        : {
            words: `query ${name} is ${JSON.stringify(wanted)}`,
            holds: (subject) => new URLSearchParams(subject.query).get(name) === wanted
          }
    )
  }
  return conditions
}

/** A listing's `when`, compiled. */
export function compileWhen(
  when: Pick<MatchConfig, 'path' | 'methods' | 'headers'>
): (exchange: Exchange) => boolean {
  const pattern = pathPattern(when.path)
  const conditions = conditionsOf({ ...when, query: undefined })
  return ({ request }) => {
    if (!pathHolds(pattern, request.path)) return false
    for (const condition of conditions) if (!condition.holds(request)) return false
    return true
  }
}
