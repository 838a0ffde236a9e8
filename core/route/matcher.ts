import type { RouteConfig } from '../config/types.js'
import { type Condition, conditionsOf, type PathPattern, pathPattern, type Subject } from './condition.js'

/** What a matcher finds: whatever belongs to a route. */
export interface Routed {
  readonly config: RouteConfig
}

interface Entry<T> {
  readonly target: T
  readonly order: number
  readonly host: string | undefined
  readonly pattern: PathPattern
  readonly conditions: readonly Condition[]
}

/** The routes of one host: exact paths and prefixes, each with its routes in the order they are tried. */
interface HostTable<T> {
  readonly exact: Map<string, Entry<T>[]>
  readonly prefix: Map<string, Entry<T>[]>
}

/**
 * The most specific route wins: host before any host, exact path before the longest prefix, more conditions before
 * fewer, and what is listed first among equals. A request costs one look-up per segment of its path, whatever the
 * number of routes. It is built with a configuration and replaced with it.
 */
export class Matcher<T extends Routed> {
  readonly #exactHosts = new Map<string, HostTable<T>>()
  /** `.example.com`, longest first. */
  readonly #wildHosts: [suffix: string, table: HostTable<T>][] = []
  readonly #anyHost: HostTable<T> = emptyTable()

  constructor(targets: Iterable<T>) {
    let order = 0
    const wild = new Map<string, HostTable<T>>()
    for (const target of targets) {
      const { match } = target.config
      const entry: Entry<T> = {
        target,
        order: order++,
        host: match.host,
        pattern: pathPattern(match.path),
        conditions: conditionsOf(match)
      }
      let table = this.#anyHost
      if (match.host?.startsWith('*.') === true) table = tableOf(wild, match.host.slice(1))
      else if (match.host !== undefined && match.host !== '*') table = tableOf(this.#exactHosts, match.host)
      const paths = entry.pattern.prefix ? table.prefix : table.exact
      const entries = paths.get(entry.pattern.text)
      if (entries === undefined) paths.set(entry.pattern.text, [entry])
      else entries.push(entry)
    }
    this.#wildHosts.push(...[...wild].sort(([a], [b]) => b.length - a.length))
    for (const table of [this.#anyHost, ...this.#exactHosts.values(), ...wild.values()]) sortEntries(table)
  }

  match(subject: Subject): T | undefined {
    for (const table of this.#tables(subject.host)) {
      const found = inTable(table, subject)
      if (found !== undefined) return found
    }
    return undefined
  }

  /** Every route whose host and path fit, best first, with the conditions of each that fail. */
  near(
    subject: Subject
  ): { target: T; failing: string[]; holding: string[]; host: string | undefined; path: PathPattern }[] {
    const near: ReturnType<Matcher<T>['near']> = []
    for (const table of this.#tables(subject.host)) {
      for (const entry of pathsIn(table, subject.path)) {
        const words = (holds: boolean) =>
          entry.conditions.filter((one) => one.holds(subject) === holds).map((one) => one.words)
        near.push({
          target: entry.target,
          failing: words(false),
          holding: words(true),
          host: entry.host,
          path: entry.pattern
        })
      }
    }
    return near
  }

  #tables(host: string): readonly HostTable<T>[] {
    if (this.#exactHosts.size === 0 && this.#wildHosts.length === 0)
      return (this.#onlyAny ??= [this.#anyHost])
    const tables: HostTable<T>[] = []
    const exact = this.#exactHosts.get(host)
    if (exact !== undefined) tables.push(exact)
    for (const [suffix, table] of this.#wildHosts) {
      if (host.endsWith(suffix) && host.length > suffix.length) tables.push(table)
    }
    tables.push(this.#anyHost)
    return tables
  }
  #onlyAny: readonly HostTable<T>[] | undefined
}

function inTable<T>(table: HostTable<T>, subject: Subject): T | undefined {
  const { path } = subject
  const exact = table.exact.get(path)
  if (exact !== undefined) {
    const found = firstThatHolds(exact, subject)
    if (found !== undefined) return found
  }
  if (table.prefix.size === 0) return undefined
  for (
    let slash = path.lastIndexOf('/');
    slash >= 0;
    slash = slash === 0 ? -1 : path.lastIndexOf('/', slash - 1)
  ) {
    const entries = table.prefix.get(path.slice(0, slash + 1))
    if (entries === undefined) continue
    const found = firstThatHolds(entries, subject)
    if (found !== undefined) return found
  }
  return undefined
}

function* pathsIn<T>(table: HostTable<T>, path: string): Generator<Entry<T>> {
  yield* table.exact.get(path) ?? []
  for (
    let slash = path.lastIndexOf('/');
    slash >= 0;
    slash = slash === 0 ? -1 : path.lastIndexOf('/', slash - 1)
  ) {
    yield* table.prefix.get(path.slice(0, slash + 1)) ?? []
  }
}

function firstThatHolds<T>(entries: readonly Entry<T>[], subject: Subject): T | undefined {
  for (const entry of entries) {
    let holds = true
    for (const condition of entry.conditions) {
      if (!condition.holds(subject)) {
        holds = false
        break
      }
    }
    if (holds) return entry.target
  }
  return undefined
}

function emptyTable<T>(): HostTable<T> {
  return { exact: new Map(), prefix: new Map() }
}

function tableOf<T>(tables: Map<string, HostTable<T>>, host: string): HostTable<T> {
  let table = tables.get(host)
  if (table === undefined) tables.set(host, (table = emptyTable()))
  return table
}

function sortEntries<T>(table: HostTable<T>): void {
  for (const entries of [...table.exact.values(), ...table.prefix.values()]) {
    entries.sort((a, b) => b.conditions.length - a.conditions.length || a.order - b.order)
  }
}
