/** What `http.expect` may hold: a status, a class such as `2xx`, or a range such as `200-299`. */
type ExpectedStatus = number | string

const LOWEST = 200
const HIGHEST = 599
const CLASS = /^([2-5])xx$/i
const RANGE = /^(\d{3})(?: ?- ?(\d{3}))?$/

/** First and last status of what was written; undefined where it is no status from 200 to 599, no class and no range of them. */
export function statusRange(written: unknown): readonly [first: number, last: number] | undefined {
  if (typeof written === 'number') return Number.isInteger(written) ? within(written, written) : undefined
  if (typeof written !== 'string') return undefined
  const ofClass = CLASS.exec(written)
  if (ofClass !== null) {
    const first = Number(ofClass[1]) * 100
    return [first, first + 99]
  }
  const range = RANGE.exec(written)
  if (range === null) return undefined
  const first = Number(range[1])
  return within(first, range[2] === undefined ? first : Number(range[2]))
}

function within(first: number, last: number): readonly [number, number] | undefined {
  return first >= LOWEST && last <= HIGHEST && first <= last ? [first, last] : undefined
}

/** @returns a function that says whether a status is one of those expected */
export function expectation(expected: readonly ExpectedStatus[]): (status: number) => boolean {
  const table = new Uint8Array(HIGHEST + 1)
  for (const one of expected) {
    const range = statusRange(one)
    if (range !== undefined) table.fill(1, range[0], range[1] + 1)
  }
  return (status) => table[status] === 1
}
