import type { RouteConfig } from '../config/types.js'
import { type Alternative, Alternatives } from './alternatives.js'
import { conditionsOf, type PathPattern, pathPattern, type Subject } from './condition.js'

/** What a matcher finds: whatever belongs to a route. */
export interface Routed {
  readonly config: RouteConfig
}

interface Entry<T> extends Alternative<T> {
  readonly host: string | undefined
  readonly pattern: PathPattern
}

type Entries<T> = Alternatives<T, Entry<T>>

/** The routes of one host: exact paths and prefixes, each with its routes in the order they are tried. */
class HostTable<T> {
  readonly exact = new Map<string, Entries<T>>()
  readonly prefix = new Map<string, Entries<T>>()
  /** Characters of the longest prefix. */
  longest = 0

  add(entry: Entry<T>): void {
    const { text, prefix } = entry.pattern
    const paths = prefix ? this.prefix : this.exact
    let entries = paths.get(text)
    if (entries === undefined) paths.set(text, (entries = new Alternatives()))
    entries.add(entry)
    if (prefix && text.length > this.longest) this.longest = text.length
  }

  find(subject: Subject): T | undefined {
    const { path } = subject
    const found = this.exact.get(path)?.find(subject)
    if (found !== undefined || this.prefix.size === 0) return found
    for (let slash = this.#lastSlash(path); slash >= 0; slash = slashBefore(path, slash)) {
      const prefixed = this.prefix.get(path.slice(0, slash + 1))?.find(subject)
      if (prefixed !== undefined) return prefixed
    }
    return undefined
  }

  *entriesOf(path: string): Generator<Entry<T>> {
    yield* this.exact.get(path)?.all ?? []
    for (let slash = this.#lastSlash(path); slash >= 0; slash = slashBefore(path, slash)) {
      yield* this.prefix.get(path.slice(0, slash + 1))?.all ?? []
    }
  }

  /** Of the slashes at which one of the prefixes can end: a client may send thousands more. */
  #lastSlash(path: string): number {
    return path.lastIndexOf('/', this.longest - 1)
  }
}

function slashBefore(path: string, slash: number): number {
  return slash === 0 ? -1 : path.lastIndexOf('/', slash - 1)
}

/**
 * The most specific route wins: host before any host, exact path before the longest prefix, more conditions before
 * fewer, and what is listed first among equals. A request costs one look-up per label of its host and per segment of its
 * path, whatever the number of routes. It is built with a configuration and replaced with it.
 */
export class Matcher<T extends Routed> {
  readonly #exactHosts = new Map<string, HostTable<T>>()
  /** By `.example.com`. */
  readonly #wildHosts = new Map<string, HostTable<T>>()
  /** Characters of the longest of those. */
  #longestWild = 0
  readonly #anyHost = new HostTable<T>()
  #count = 0

  constructor(targets: Iterable<T> = []) {
    for (const target of targets) this.#add(target)
    for (const table of this.#all()) sort(table)
  }

  /** The same, with a pause behind each route. */
  static *of<T extends Routed>(targets: Iterable<T>): Generator<void, Matcher<T>> {
    const matcher = new Matcher<T>()
    for (const target of targets) {
      matcher.#add(target)
      yield
    }
    for (const table of matcher.#all()) {
      sort(table)
      yield
    }
    return matcher
  }

  match(subject: Subject): T | undefined {
    const { host } = subject
    if (this.#exactHosts.size > 0) {
      const found = this.#exactHosts.get(host)?.find(subject)
      if (found !== undefined) return found
    }
    if (this.#wildHosts.size > 0) {
      for (let dot = this.#firstDot(host); dot > 0; dot = host.indexOf('.', dot + 1)) {
        const found = this.#wildHosts.get(host.slice(dot))?.find(subject)
        if (found !== undefined) return found
      }
    }
    return this.#anyHost.find(subject)
  }

  /** Every route whose host and path fit, best first, with the conditions of each that fail. */
  near(
    subject: Subject
  ): { target: T; failing: string[]; holding: string[]; host: string | undefined; path: PathPattern }[] {
    const near: ReturnType<Matcher<T>['near']> = []
    for (const table of this.#tablesOf(subject.host)) {
      for (const entry of table.entriesOf(subject.path)) {
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

  #add(target: T): void {
    const { match } = target.config
    const { host } = match
    const entry: Entry<T> = {
      target,
      order: this.#count++,
      host,
      pattern: pathPattern(match.path),
      conditions: conditionsOf(match)
    }
    if (host === undefined || host === '*') this.#anyHost.add(entry)
    else if (host.startsWith('*.')) {
      const suffix = host.slice(1)
      if (suffix.length > this.#longestWild) this.#longestWild = suffix.length
      tableOf(this.#wildHosts, suffix).add(entry)
    } else tableOf(this.#exactHosts, host).add(entry)
  }

  /** Behind at least one character, and before nothing that is longer than any suffix there is. */
  #firstDot(host: string): number {
    return host.indexOf('.', Math.max(1, host.length - this.#longestWild))
  }

  *#tablesOf(host: string): Generator<HostTable<T>> {
    const exact = this.#exactHosts.get(host)
    if (exact !== undefined) yield exact
    for (let dot = this.#firstDot(host); dot > 0; dot = host.indexOf('.', dot + 1)) {
      const wild = this.#wildHosts.get(host.slice(dot))
      if (wild !== undefined) yield wild
    }
    yield this.#anyHost
  }

  *#all(): Generator<HostTable<T>> {
    yield this.#anyHost
    yield* this.#exactHosts.values()
    yield* this.#wildHosts.values()
  }
}

function tableOf<T>(tables: Map<string, HostTable<T>>, host: string): HostTable<T> {
  let table = tables.get(host)
  if (table === undefined) tables.set(host, (table = new HostTable()))
  return table
}

function sort<T>({ exact, prefix }: HostTable<T>): void {
  for (const entries of exact.values()) entries.sort()
  for (const entries of prefix.values()) entries.sort()
}
