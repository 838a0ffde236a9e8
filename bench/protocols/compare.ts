// `npm run bench -- protocols`: every protocol, each with those who speak it.
import type { Candidate } from '../candidates.js'
import { type Comparison, compare } from '../compare.js'
import { failures, figure, markdown, type Row, ratios, table } from '../report.js'
import { OURS } from './peers.js'
import { type ProtocolScenario, startService } from './scenarios.js'

export interface Protocols {
  readonly sections: string[]
  readonly failed: number
}

/** @param only names of candidates; all when left out */
export async function compareProtocols(
  scenarios: readonly ProtocolScenario[],
  only: readonly string[] | undefined,
  comparison: Comparison
): Promise<Protocols> {
  const { say } = comparison
  const known = [...new Set(scenarios.flatMap(({ candidates }) => candidates.map(({ name }) => name)))]
  const unknown = only?.find((name) => !known.includes(name))
  if (unknown !== undefined) throw new Error(`no candidate ${unknown}: ${known.join(', ')}`)
  const skipped = new Set<string>()
  const skip = (text: string) => {
    if (!skipped.has(text)) say(text)
    skipped.add(text)
  }
  const compared: [ProtocolScenario, Row[]][] = []
  for (const scenario of scenarios) {
    if (scenario.missing !== undefined) {
      skip(`${scenario.name}: skipped, ${scenario.missing}`)
      continue
    }
    const wanted = scenario.candidates.filter(({ name }) => only?.includes(name) ?? true)
    for (const { name, missing } of wanted) if (missing !== undefined) skip(`${name}: skipped, ${missing}`)
    const chosen = wanted.filter(({ missing }) => missing === undefined)
    if (chosen.length > 0) compared.push(...(await compareOne(scenario, chosen, comparison)))
  }
  return {
    sections: [
      ...(compared.length > 1 ? [summary(compared)] : []),
      ...compared.flatMap(([scenario, rows]) => [`### ${scenario.label}`, tableOf(scenario, rows)]),
      ...(skipped.size > 0 ? [[...skipped].map((line) => `- ${line}`).join('\n')] : [])
    ],
    failed: failures(compared.flatMap(([, rows]) => rows))
  }
}

async function compareOne(
  scenario: ProtocolScenario,
  chosen: readonly Candidate[],
  comparison: Comparison
): Promise<[ProtocolScenario, Row[]][]> {
  const upstream = await startService(scenario.service, comparison.stage)
  try {
    return await compare(chosen, [scenario], { ...comparison, stage: { ...comparison.stage, upstream } })
  } finally {
    if (upstream !== comparison.stage.upstream) await upstream.stop()
  }
}

function tableOf({ unit }: ProtocolScenario, rows: readonly Row[]): string {
  const baseline = rows.find(({ name }) => name === OURS)
  return table(rows, baseline, { unit, baseline: 'ours' })
}

/** Each proxy's processor time and throughput in each scenario, by medians, ours being 1. */
function summary(compared: readonly [ProtocolScenario, readonly Row[]][]): string {
  const labels = new Map(
    compared.flatMap(([, rows]) => rows.map(({ name, label }) => [name, label] as const))
  )
  const lines = [...labels].map(([name, label]) => [
    label.replace(', grpc_pass', ''),
    ...compared.map(([, rows]) => {
      const row = rows.find((one) => one.name === name)
      const baseline = rows.find((one) => one.name === OURS)
      if (row === undefined || baseline === undefined) return '-'
      const { cpu, throughput } = ratios(row, baseline)
      return `${figure(cpu.median, 2)} (${figure(throughput.median, 2)})`
    })
  ])
  return [
    '### Times ours, by medians: CPU (throughput); above 1 is better than ours',
    markdown(['proxy', ...compared.map(([{ name }]) => name)], lines)
  ].join('\n\n')
}
