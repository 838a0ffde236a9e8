// What ours has to reach beside others.
import { BASELINE } from '../candidates.js'
import type { Target } from '../outcome.js'
import { type Row, rate, ratios } from '../report.js'
import { median } from '../statistics.js'

const TIMES_BARE = [
  { name: 'none', atLeast: 2 },
  { name: 'five', atLeast: 1.6 },
  // With the fast lane.
  { name: 'five', atLeast: 3 }
]
/** What five plugins are held against, the better of the two. */
const BEST = ['httpxy', 'http-proxy-3']
const TIMES_BEST = 1.3

/** Of the small GET alone. @param scenario its name */
export function targetsOf(scenario: string, rows: readonly Row[]): Target[] {
  if (scenario !== 'get') return []
  const find = (name: string) => rows.find((row) => row.name === name && row.samples.length > 0)
  const baseline = find(BASELINE)
  const targets: Target[] = []
  for (const { name, atLeast } of TIMES_BARE) {
    const row = find(name)
    if (row === undefined || baseline === undefined) continue
    const lane = atLeast === 3 ? ', the fast lane on' : ''
    targets.push(...both(row, baseline, `${row.label}${lane}, times bare`, atLeast))
  }
  const five = find('five')
  const best = BEST.map(find)
    .filter((row) => row !== undefined)
    .sort((one, other) => median(other.samples.map(rate)) - median(one.samples.map(rate)))[0]
  if (five !== undefined && best !== undefined)
    targets.push(...both(five, best, `${five.label}, times ${best.label}`, TIMES_BEST))
  return targets
}

/** Processor time, which tells more, and throughput. */
function both(row: Row, baseline: Row, what: string, atLeast: number): Target[] {
  const { cpu, throughput } = ratios(row, baseline)
  return [
    { what: `CPU time of ${what}, median of the rounds`, reached: cpu.median, atLeast },
    { what: `throughput of ${what}, median of the rounds`, reached: throughput.median, atLeast }
  ]
}
