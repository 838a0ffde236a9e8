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

/** One condition of a route beside host and path. */
export interface Condition {
  /** What `explain` calls it. */
  readonly words: string
  /** The header whose exact value it asks for, where that is all it asks. */
  readonly header?: { readonly name: string; readonly value: string }
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

class MethodCondition implements Condition {
  readonly #methods: ReadonlySet<string>

  constructor(methods: readonly string[]) {
    this.#methods = new Set(methods)
  }

  get words(): string {
    return `method is ${[...this.#methods].join(' or ')}`
  }

  holds({ method }: Subject): boolean {
    return this.#methods.has(method)
  }
}

class HeaderPresent implements Condition {
  readonly #name: string

  constructor(name: string) {
    this.#name = name
  }

  get words(): string {
    return `header ${this.#name} is present`
  }

  holds({ headers }: Subject): boolean {
    return headers.get(this.#name) !== undefined
  }
}

class HeaderIs implements Condition {
  readonly header: { readonly name: string; readonly value: string }

  constructor(name: string, value: string) {
    this.header = { name, value }
  }

  get words(): string {
    return `header ${this.header.name} is ${JSON.stringify(this.header.value)}`
  }

  holds({ headers }: Subject): boolean {
    return headers.get(this.header.name) === this.header.value
  }
}

class QueryCondition implements Condition {
  readonly #name: string
  readonly #value: string

  constructor(name: string, value: string) {
    this.#name = name
    this.#value = value
  }

  get words(): string {
    return this.#value === '*'
      ? `query ${this.#name} is present`
      : `query ${this.#name} is ${JSON.stringify(this.#value)}`
  }

  holds({ query }: Subject): boolean {
    const parameters = new URLSearchParams(query)
    return this.#value === '*' ? parameters.has(this.#name) : parameters.get(this.#name) === this.#value
  }
}

const NONE: readonly Condition[] = []

export function conditionsOf({
  methods,
  headers,
  query
}: Pick<MatchConfig, 'methods' | 'headers' | 'query'>): readonly Condition[] {
  if (methods === undefined && headers === undefined && query === undefined) return NONE
  const conditions: Condition[] = []
  if (methods !== undefined) conditions.push(new MethodCondition(methods))
  for (const [name, wanted] of Object.entries(headers ?? {}))
    conditions.push(wanted === '*' ? new HeaderPresent(name) : new HeaderIs(name, wanted))
  for (const [name, wanted] of Object.entries(query ?? {})) conditions.push(new QueryCondition(name, wanted))
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
