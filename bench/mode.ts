// What a part of the bench is, and what it is given.
import type { Comparison } from './compare.js'
import type { Spinner } from './cores.js'
import type { Outcome } from './outcome.js'
import type { Plan } from './rounds.js'
import type { Stage } from './stage.js'

/** `short` for a quick look; `smoke` to see that everything still runs: its figures mean little. */
export type Size = 'full' | 'short' | 'smoke'

export type BySize<T> = Readonly<Record<Size, T>>

export interface Bench {
  readonly stage: Stage
  readonly spinners: readonly Spinner[]
  /** The folder that holds ours, compiled. */
  readonly build: string
  readonly size: Size
  /** Whether the other parts run too, and time is short. */
  readonly whole: boolean
  readonly options: Options
  readonly say: (text: string) => void
}

/** What narrows a mode. */
export interface Options {
  /** Names of candidates, and of scenarios. Default: the mode's own. */
  readonly only: readonly string[] | undefined
  readonly scenario: readonly string[] | undefined
  /** Other builds to hold ours against. */
  readonly against: readonly string[]
  readonly starts: number | undefined
  readonly rounds: number | undefined
  readonly seconds: number | undefined
  /** Behind the mode's name: what is profiled. */
  readonly subject: string | undefined
}

export interface Mode {
  readonly name: string
  /** What it shows, as a heading. */
  readonly title: string
  /** Whether a whole run has it. */
  readonly inWhole: boolean
  run(bench: Bench): Promise<Outcome>
}

/** The plan of a size, with what the command line says in place of it. */
export function planOf({ size, options }: Bench, plans: BySize<Plan>): Plan {
  const plan = plans[size]
  return {
    ...plan,
    starts: options.starts ?? plan.starts,
    rounds: options.rounds ?? plan.rounds,
    seconds: options.seconds ?? plan.seconds
  }
}

export function comparisonOf({ stage, spinners, say }: Bench, plan: Plan): Comparison {
  return { stage, plan, spinner: spinners.find(({ core }) => core === stage.cores?.proxy), say }
}

/** @throws Error with all there are, on a name that is none of them */
export function choose<T extends { readonly name: string }>(
  from: readonly T[],
  names: readonly string[] | undefined,
  what: string
): readonly T[] {
  if (names === undefined) return from
  return names.map((name) => {
    const found = from.find((one) => one.name === name)
    if (found === undefined) throw new Error(`no ${what} ${name}: ${from.map((one) => one.name).join(', ')}`)
    return found
  })
}

/** Those that can take part here; of the others it is said why not. */
export function present<T extends { readonly name: string; readonly missing?: string | undefined }>(
  all: readonly T[],
  say: (text: string) => void
): T[] {
  return all.filter(({ name, missing }) => {
    if (missing !== undefined) say(`${name}: left out, ${missing}`)
    return missing === undefined
  })
}

/** How a plan reads. */
export function roundsOf({ starts, rounds, seconds }: Plan): string {
  const times = starts > 1 ? `, all started anew every ${rounds}` : ''
  return `${starts * rounds} rounds of ${seconds} s a proxy, taken in turns${times}`
}
