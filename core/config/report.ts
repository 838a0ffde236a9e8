import type { Point, SourceDocument } from './document.js'
import type { Finding } from './issues.js'
import { isSecretPath, MASK } from './mask.js'
import { formatPath, type Path, pathKey, valueAt } from './path.js'
import type { Problem } from './problem.js'
import { quote } from './quote.js'

interface Found {
  readonly problem: Problem
  readonly order: number
  /** The last of its path. */
  readonly key: PropertyKey | undefined
}

/** Gathers what is wrong with one configuration. */
export class Report {
  readonly #document: SourceDocument
  readonly #found: Found[] = []
  /** The same by place and message, of which there may be several by different paths. */
  readonly #alike = new Map<string, Found[]>()
  /** Where nothing more is to be said: what would follow is the same mistake again. */
  readonly #closed = new Set<string>()
  /** What messages quote from: the environment is in it. */
  value: unknown

  constructor(document: SourceDocument) {
    this.#document = document
    this.value = document.written
  }

  /** @param secret whether the value is not to be quoted; by default what its key is called decides */
  add(path: Path, message: string, point: Point = 'value', secret = isSecretPath(path)): void {
    if (this.#isClosed(path)) return
    const { at, order } = this.#document.locate(path, point)
    const shown = secret ? this.#hide(path, message) : message
    const problem = { at, path: formatPath(path), message: shown }
    const found = { problem, order, key: path.at(-1) }
    const name = nameOf(problem)
    const alike = this.#alike.get(name)
    if (alike?.some((known) => isSame(known, found)) === true) return
    if (alike === undefined) this.#alike.set(name, [found])
    else alike.push(found)
    this.#found.push(found)
  }

  /**
   * Adds what a schema found.
   *
   * @param base where its value stands
   * @param secrets whether values are not to be quoted, by `pathKey`
   */
  addAll(findings: readonly Finding[], base: Path = [], secrets?: ReadonlyMap<string, boolean>): void {
    for (const finding of findings) {
      const path = [...base, ...finding.path]
      this.add(path, finding.message, finding.point, secrets?.get(pathKey(path)))
    }
  }

  /** The same, with a pause behind each. */
  *addAllOf(findings: readonly Finding[]): Generator<void> {
    for (const finding of findings) {
      this.addAll([finding])
      yield
    }
  }

  /** Like `add`, and the last that is said of this value. */
  addLast(path: Path, message: string): void {
    this.add(path, message)
    this.#closed.add(pathKey(path))
  }

  /** A problem that has its place already, told before the others. */
  addPlaced(problem: Problem): void {
    const found = { problem, order: 0, key: undefined }
    this.#alike.set(nameOf(problem), [found])
    this.#found.push(found)
  }

  get isEmpty(): boolean {
    return this.#found.length === 0
  }

  /** In the order of the file. */
  get problems(): Problem[] {
    return this.#found
      .map((found) => ({ ...found, place: placeOf(found.problem) }))
      .sort((a, b) => a.place - b.place || a.order - b.order)
      .map(({ problem }) => problem)
  }

  #isClosed(path: Path): boolean {
    for (let length = path.length; length >= 0; length--) {
      if (this.#closed.has(pathKey(path.slice(0, length)))) return true
    }
    return false
  }

  #hide(path: Path, message: string): string {
    const value = valueAt(this.value, path)
    if ((typeof value !== 'string' && typeof value !== 'number') || value === '') return message
    return message.replaceAll(quote(value), `"${MASK}"`).replaceAll(`not ${value}`, `not "${MASK}"`)
  }
}

/**
 * Behind a YAML alias one mistake is met once for each use: at one place, by several paths. Their last key is the same,
 * which it is not for two things missing from one place.
 */
function isSame(a: Found, b: Found): boolean {
  if (a.problem.at !== b.problem.at || a.problem.message !== b.problem.message) return false
  return a.problem.path === b.problem.path || (a.key === b.key && placeOf(a.problem) > 0)
}

/** Of two that are the same it is the same. */
function nameOf(problem: Problem): string {
  const { at, path, message } = problem
  return placeOf(problem) > 0 ? `${at} ${message}` : `${at} ${path} ${message}`
}

function placeOf(problem: Problem): number {
  const [, line = '0', column = '0'] = /:(\d+):(\d+)$/.exec(problem.at ?? '') ?? []
  return Number(line) * 1e6 + Number(column)
}
