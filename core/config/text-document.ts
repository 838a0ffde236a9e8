import type { Location, Point, SourceDocument } from './document.js'
import { formatPath, type Path } from './path.js'
import { type PositionArrays, Positions } from './positions.js'

/** A configuration that was read from text: each value has its line. */
export class TextDocument implements SourceDocument {
  readonly name: string
  readonly written: unknown
  readonly owned = true
  readonly #positions: Positions
  readonly #lines: ArrayLike<number>

  /** @param lines offsets at which lines begin */
  constructor(name: string, written: unknown, positions: PositionArrays, lines: ArrayLike<number>) {
    this.name = name
    this.written = written
    this.#positions = new Positions(written, positions)
    this.#lines = lines
  }

  locate(path: Path, point: Point): Location {
    const { place, complete } = this.#positions.find(path)
    // The rest is missing: what it is missing from is named, by its key if it has one.
    const offset = (complete && point === 'value') || place.key === -1 ? place.value : place.key
    const line = this.#lineOf(offset)
    // Joined and not added up: thousands are kept, and of a sum its parts are kept too.
    const at = [this.name, line + 1, offset - (this.#lines[line] as number) + 1].join(':')
    return { at, order: offset }
  }

  label(path: Path): string {
    return this.locate(path, 'value').at ?? formatPath(path)
  }

  #lineOf(offset: number): number {
    let low = 0
    let high = this.#lines.length - 1
    while (low < high) {
      const middle = (low + high + 1) >>> 1
      if ((this.#lines[middle] as number) <= offset) low = middle
      else high = middle - 1
    }
    return low
  }
}
