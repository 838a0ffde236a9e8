// `npm run bench`: everything, or one mode. README.md has the modes and the options.
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { type CommandLine, readCommandLine } from './command-line.js'
import { type Cores, spin, takeCores } from './cores.js'
import { installPeers } from './install.js'
import { describeMachine, root } from './machine.js'
import { type Bench, choose, type Mode } from './mode.js'
import { modes } from './modes.js'
import { isTarget, type Outcome, textOf, verdict } from './outcome.js'
import { programOf, setStage } from './stage.js'
import { PLOTS, writeDown } from './write.js'

const say = (text: string) => process.stderr.write(`${text}\n`)

try {
  await main()
} catch (error) {
  say(`bench: ${(error as Error).message}`)
  process.exit(1)
}
// Spinners and the upstream end with it.
process.exit()

async function main(): Promise<void> {
  const line = readCommandLine(process.argv.slice(2), `${root}dist`)
  if (!existsSync(programOf(line.build))) throw new Error(`${line.build} holds no build: run npm run build`)
  const whole = line.mode === undefined
  const chosen = whole ? modes.filter(({ inWhole }) => inWhole) : choose(modes, [line.mode as string], 'mode')
  if (line.write && !chosen.every(({ inWhole }) => inWhole))
    throw new Error('what no whole run has is not written down')
  if (line.install) installPeers(say)
  const cores = takeCores()
  const stage = await setStage(cores)
  const spinners = spin(cores)
  const bench: Bench = {
    stage,
    spinners,
    build: line.build,
    size: line.size,
    whole,
    options: line.options,
    say
  }
  const preface = circumstances(cores, spinners.length > 0)
  console.log(preface)
  const startedAt = performance.now()
  const outcomes: [Mode, Outcome][] = []
  for (const mode of chosen) outcomes.push([mode, await outcomeOf(mode, bench)])
  say(`bench: ${((performance.now() - startedAt) / 60_000).toFixed(1)} minutes`)
  end(line, preface, outcomes)
}

/** One part that cannot be measured keeps none of the others from it. */
async function outcomeOf(mode: Mode, bench: Bench): Promise<Outcome> {
  say(`== ${mode.name}`)
  const startedAt = performance.now()
  let outcome: Outcome
  try {
    outcome = await mode.run(bench)
  } catch (error) {
    if (!bench.whole) throw error
    say(`bench: ${mode.name}: ${(error as Error).message}`)
    outcome = { parts: [`Not measured: ${(error as Error).message}`], failed: 1 }
  }
  say(`== ${mode.name}: ${((performance.now() - startedAt) / 1000).toFixed(0)} s`)
  console.log(`\n## ${mode.title}\n\n${textOf(outcome.parts, undefined, bench.size !== 'smoke')}`)
  return outcome
}

function end(line: CommandLine, preface: string, outcomes: readonly (readonly [Mode, Outcome])[]): void {
  const judged = line.size !== 'smoke'
  const parts = outcomes.flatMap(([, outcome]) => outcome.parts)
  const targets = parts.filter(isTarget).map((target) => `- ${verdict(target)}`)
  const all = targets.join('\n')
  if (judged && outcomes.length > 1 && targets.length > 0)
    console.log(`\n## What it must reach, and what it did\n\n${all}`)
  if (!judged)
    console.log(
      '\nA smoke run: nothing was warmed up, so that its figures say nothing of what a request costs.'
    )
  if (line.write) {
    const texts = new Map(
      outcomes.map(([mode, outcome]) => [mode.name, `${preface}\n\n${textOf(outcome.parts, PLOTS, judged)}`])
    )
    if (line.mode === undefined) texts.set('targets', `${preface}\n\n${all}`)
    writeDown(fileURLToPath(new URL('.', import.meta.url)), texts, parts)
  }
  for (const [mode, { failed, refused }] of outcomes) {
    if (failed > 0) say(`bench: ${mode.name}: ${failed} failed`)
    if (refused !== undefined) say(`bench: ${mode.name}: ${refused}`)
    if (failed > 0 || refused !== undefined) process.exitCode = 1
  }
}

function circumstances(cores: Cores | undefined, spinning: boolean): string {
  const where =
    cores === undefined
      ? 'nothing is pinned to a core'
      : `the proxies on core ${cores.proxy}, the services and the load on core ${cores.load}`
  const kept = spinning ? 'a spinner at idle priority on each' : 'no spinners'
  return [...describeMachine(), `${where}; ${kept}`].map((line) => `- ${line}`).join('\n')
}
