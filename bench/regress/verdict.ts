// What is a regression.
import { figure, markdown, type Row } from '../report.js'
import { median, ratioOfRounds } from '../statistics.js'

/** Processor time per request, now by before, above which a request has become dearer. */
export const LIMIT = 1.1

export interface Pair {
  readonly scenario: string
  readonly label: string
  /** µs of processor time per request, a round each. */
  readonly now: readonly number[]
  readonly before: readonly number[]
}

/** Each row with the one of the same name of the build before. @param prefix of those names */
export function pairsOf(scenario: string, rows: readonly Row[], prefix: string): Pair[] {
  const cpus = ({ samples }: Row) => samples.map(({ cpu = Number.NaN }) => cpu)
  return rows.flatMap((row) => {
    const before = rows.find(({ name }) => name === `${prefix}${row.name}`)
    if (before === undefined) return []
    return [{ scenario, label: row.label, now: cpus(row), before: cpus(before) }]
  })
}

/** Now by before: the median of each round's own ratio. */
export function growthOf({ now, before }: Pair): number {
  return ratioOfRounds(now, before)
}

/** @returns what has become dearer, for people; undefined when nothing has. What cannot be told is not let pass */
export function refusalOf(pairs: readonly Pair[], limit = LIMIT): string | undefined {
  if (pairs.length === 0) return 'nothing was compared'
  const dearer = pairs.filter((pair) => !(growthOf(pair) <= limit))
  if (dearer.length === 0) return undefined
  const told = dearer.map((pair) => `${pair.scenario}, ${pair.label}: ${figure(growthOf(pair), 2)} times`)
  return `a request takes more than ${limit} times the processor time: ${told.join('; ')}`
}

export function regressionTable(pairs: readonly Pair[]): string {
  const head = ['', 'before, median µs', 'now, median µs', 'now by before', `at most ${LIMIT}`]
  const lines = pairs.map((pair) => [
    `${pair.scenario}, ${pair.label}`,
    figure(median(pair.before), 1),
    figure(median(pair.now), 1),
    figure(growthOf(pair), 2),
    growthOf(pair) <= LIMIT ? 'held' : '**dearer**'
  ])
  return markdown(head, lines)
}
