// All scenarios in one table, and in one picture.
import { BASELINE } from '../candidates.js'
import type { Plot } from '../outcome.js'
import { barChart } from '../plot.js'
import { figure, markdown, type Row, rate } from '../report.js'
import { median } from '../statistics.js'
import type { RequestScenario } from './scenarios.js'

type Compared = readonly (readonly [RequestScenario, readonly Row[]])[]

/** As many as can be told apart. */
const DRAWN = [BASELINE, 'httpxy', 'none', 'five', 'nginx', 'haproxy']

/** A proxy a line, a scenario a column. */
export function matrixOf(compared: Compared): string {
  const labels = new Map(compared.flatMap(([, rows]) => rows.map(({ name, label }) => [name, label])))
  const lines = [...labels].map(([name, label]) => [
    label,
    ...compared.map(([, rows]) => {
      const row = rows.find((one) => one.name === name)
      if (row === undefined || row.samples.length === 0) return '-'
      return `${figure(cpuOf(row), 0)} (${figure(median(row.samples.map(rate)), 0)})`
    })
  ])
  return [
    '### CPU µs/request (requests/s), by medians',
    markdown(['proxy', ...compared.map(([{ name }]) => name)], lines)
  ].join('\n\n')
}

/** How many times less processor time than bare each takes, or how many times more. */
export async function matrixPlot(compared: Compared): Promise<Plot> {
  const bars = compared.map(([{ name }, rows]) => {
    const baseline = rows.find((row) => row.name === BASELINE)
    return {
      name,
      values: rows
        .filter((row) => DRAWN.includes(row.name) && row.samples.length > 0)
        .map((row) => ({
          group: row.name,
          value: (baseline === undefined ? 1 : cpuOf(baseline)) / cpuOf(row)
        }))
    }
  })
  const svg = await barChart({
    title: 'Requests for the processor time of one of bare @fastify/http-proxy',
    y: { title: 'times bare, by medians' },
    bars
  })
  return {
    file: 'scenarios.svg',
    svg,
    description: 'What each proxy does with the processor time that bare takes for one request, by scenario'
  }
}

function cpuOf({ samples }: Row): number {
  return median(samples.map(({ cpu = Number.NaN }) => cpu))
}
