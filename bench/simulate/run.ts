// `npm run bench -- simulate`: every scenario, or those that are named. README.md has the options and the results.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { scenarios } from './scenarios/index.js'
import type { Report, Scenario } from './scenarios/scenario.js'

const SEED = 1

const readme = fileURLToPath(new URL('README.md', import.meta.url))
const plots = fileURLToPath(new URL('plots/', import.meta.url))

const say = (text: string) => process.stderr.write(`${text}\n`)

try {
  await main()
} catch (error) {
  say(`simulate: ${(error as Error).message}`)
  process.exitCode = 1
}

async function main(): Promise<void> {
  const { values: options, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      requests: { type: 'string' },
      seed: { type: 'string' },
      write: { type: 'boolean', default: false }
    }
  })
  const requests = whole('requests', options.requests)
  const seed = whole('seed', options.seed) ?? SEED
  if (options.write && (requests !== undefined || options.seed !== undefined))
    throw new Error(
      'what is written down is each scenario as it stands: --write goes without --requests and --seed'
    )
  let missed = 0
  for (const scenario of choose(positionals)) {
    say(scenario.title)
    const startedAt = performance.now()
    const report = await scenario.run({
      seed,
      requests: requests ?? scenario.requests,
      say: (text) => say(`  ${text}`)
    })
    say(`  ${((performance.now() - startedAt) / 1000).toFixed(1)} s`)
    const text = textOf(report)
    console.log(`\n## ${scenario.title}\n\n${text}\n`)
    if (options.write) write(scenario, report, text)
    missed += report.checks.filter(({ met }) => !met).length
  }
  if (missed > 0) {
    say(`simulate: ${missed} of what has to hold does not`)
    process.exitCode = 1
  }
}

function choose(names: readonly string[]): readonly Scenario[] {
  if (names.length === 0) return scenarios
  return names.map((name) => {
    const found = scenarios.find((scenario) => scenario.name === name)
    if (found === undefined)
      throw new Error(`no scenario ${name}: there are ${scenarios.map((one) => one.name).join(', ')}`)
    return found
  })
}

function textOf({ tables, checks, plots }: Report): string {
  const held = checks.map(({ what, reached, met }) => `- ${what}: ${reached}, **${met ? 'met' : 'missed'}**`)
  const shown = plots.map(({ file, description }) => `![${description}](plots/${file})`)
  return [...tables, held.join('\n'), shown.join('\n\n')].filter((part) => part !== '').join('\n\n')
}

/** Puts the tables between the scenario's marks in README.md, and the plots beside it. */
function write(scenario: Scenario, report: Report, text: string): void {
  const begin = `<!-- ${scenario.name}: written by npm run bench -- simulate --write -->`
  const end = `<!-- end of ${scenario.name} -->`
  const [before, rest] = readFileSync(readme, 'utf8').split(begin)
  const after = rest?.split(end)[1]
  if (before === undefined || after === undefined)
    throw new Error(`README.md has lost the marks of ${scenario.name}`)
  writeFileSync(readme, `${before}${begin}\n\n${text}\n\n${end}${after}`)
  mkdirSync(plots, { recursive: true })
  for (const { file, svg } of report.plots) writeFileSync(`${plots}${file}`, svg)
}

function whole(option: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  const value = Number(text)
  if (!Number.isInteger(value) || value < 1)
    throw new Error(`--${option} is a whole number from 1, not ${text}`)
  return value
}
