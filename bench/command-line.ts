// `npm run bench -- MODE --option`.
import { resolve } from 'node:path'
import { parseArgs } from 'node:util'
import type { Options, Size } from './mode.js'

export interface CommandLine {
  /** Undefined for a whole run. */
  readonly mode: string | undefined
  readonly size: Size
  readonly build: string
  /** Whether the results go into the README. */
  readonly write: boolean
  /** Whether peers that are missing are installed. */
  readonly install: boolean
  readonly options: Options
}

/** @param build where ours is when nothing says otherwise @throws Error on what it does not know */
export function readCommandLine(args: readonly string[], build: string): CommandLine {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      smoke: { type: 'boolean', default: false },
      short: { type: 'boolean', default: false },
      write: { type: 'boolean', default: false },
      'no-install': { type: 'boolean', default: false },
      only: { type: 'string' },
      scenario: { type: 'string' },
      starts: { type: 'string' },
      rounds: { type: 'string' },
      seconds: { type: 'string' },
      dist: { type: 'string', default: build },
      against: { type: 'string', multiple: true, default: [] }
    }
  })
  const { smoke, short, write, only, scenario } = values
  if (smoke && short) throw new Error('--smoke and --short are two sizes: one of them')
  if (write && smoke) throw new Error('a smoke run is not written down: its figures mean little')
  const narrowed = only !== undefined || scenario !== undefined
  if (write && narrowed) throw new Error('only all of a mode is written down: without --only and --scenario')
  const [mode = narrowed ? 'peers' : undefined, subject, ...rest] = positionals
  if (rest.length > 0) throw new Error(`one mode, and what it is of: not ${rest.join(' ')} too`)
  return {
    mode,
    size: smoke ? 'smoke' : short ? 'short' : 'full',
    build: resolve(values.dist),
    write,
    install: !smoke && !values['no-install'],
    options: {
      only: only?.split(','),
      scenario: scenario?.split(','),
      against: values.against.map((folder) => resolve(folder)),
      starts: whole('starts', values.starts),
      rounds: whole('rounds', values.rounds),
      seconds: whole('seconds', values.seconds),
      subject
    }
  }
}

function whole(option: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  const value = Number(text)
  if (!Number.isInteger(value) || value < 1) throw new Error(`--${option} is a whole number, not ${text}`)
  return value
}
