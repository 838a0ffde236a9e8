import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Test } from 'tap'
import { checkout, environment } from '../repository/command.js'
import { claimPorts } from './ports.js'
import { Running, requireBuild } from './running.js'

/** One command of a README, and what it prints there. */
interface Step {
  readonly command: string
  readonly shown: readonly string[]
}

export interface WalkthroughOptions {
  /** Of the example, in `examples`. */
  folder: string
  /** What its ports begin with, as it is written: the test's own takes its place. */
  ports: string
  /** The variable that says so. */
  variable?: string
  /** Where the commands run; default the example's folder. */
  cwd?: string
  env?: NodeJS.ProcessEnv
  /** Commands that run until they are ended, and what runs in their place. */
  lasting?: readonly (readonly [pattern: RegExp, instead?: string])[]
  /** What differs each time, and what it is taken for. */
  varying?: readonly (readonly [pattern: RegExp, constant: string])[]
}

const VARYING: WalkthroughOptions['varying'] = [
  [/[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}/g, 'ID'],
  [/^Date: .*/i, 'date: DATE'],
  [/^\d\d:\d\d:\d\d\.\d{3} /, 'TIME '],
  [/\(\d+(\.\d+)?ms\)/g, '(MS)']
]

/**
 * A README that is true: each `$ command` of its console blocks is run, in order, and has to print what stands below it.
 * A line `...` there stands for any lines. What stands below a command that lasts may come in any order.
 */
export class Walkthrough {
  readonly text: string
  readonly ports: string
  readonly #t: Test
  readonly #options: WalkthroughOptions
  readonly #exports: string[] = []
  readonly #lasting = new Map<string, Running>()

  static async open(t: Test, options: WalkthroughOptions): Promise<Walkthrough> {
    requireBuild()
    return new Walkthrough(t, options, await claimPorts(t))
  }

  private constructor(t: Test, options: WalkthroughOptions, ports: string) {
    this.#t = t
    this.#options = options
    this.ports = ports
    this.text = this.file('README.md')
  }

  /** The text of a file of the example. */
  file(name: string): string {
    return readFileSync(join(checkout, 'examples', this.#options.folder, name), 'utf8')
  }

  /** The text of the README's first block of this language. */
  block(language: string): string | undefined {
    return blocks(this.text, language)[0]
  }

  /** The lines of a text, without what differs from one time to the next. */
  constant(text: string): string[] {
    return text
      .trimEnd()
      .split('\n')
      .map((line) => this.#constant(line))
  }

  /** Runs all commands. Those that last are running afterwards. */
  async run(): Promise<void> {
    const steps = blocks(this.text, 'console').flatMap(stepsOf)
    if (steps.length === 0) throw new Error(`examples/${this.#options.folder}/README.md has no commands`)
    for (const step of steps) await this.#run(step)
  }

  /** The command that lasts and begins so. */
  running(command: string): Running {
    const found = [...this.#lasting].find(([line]) => line.startsWith(command))
    if (found === undefined) throw new Error(`no ${command} was started`)
    return found[1]
  }

  async #run({ command, shown }: Step): Promise<void> {
    const lasting = this.#options.lasting?.find(([pattern]) => pattern.test(command))
    const own = command.replace(this.#written, `${this.ports}$1`)
    if (lasting !== undefined) await this.#start(command, lasting[1] ?? own, shown)
    else if (command.startsWith('export ')) this.#exports.push(command)
    else {
      const printed = await this.#print(own)
      const wanted = shown.map((line) => this.#constant(line))
      this.#t.ok(matches(wanted, printed), `$ ${command}`, { printed, wanted })
    }
  }

  async #start(line: string, command: string, shown: readonly string[]): Promise<void> {
    const { cwd, env } = this.#place
    const exported =
      this.#exports.length === 0
        ? ''
        : `bash -c '${[...this.#exports, `exec ${command}`].join('; ').replaceAll("'", "'\\''")}'`
    const running = Running.start(this.#t, exported === '' ? command : exported, { cwd, env })
    this.#lasting.set(line, running)
    const wanted = shown.map((each) => this.#constant(each)).filter((each) => each !== '...')
    await running.until(`printing ${JSON.stringify(wanted)}`, (lines) => {
      const printed = lines.map((each) => this.#constant(each))
      return wanted.every((each) => printed.includes(each)) || undefined
    })
    this.#t.pass(`$ ${line}`)
  }

  /** Standard output and standard error, in the order they came. */
  #print(command: string): Promise<string[]> {
    const { cwd, env } = this.#place
    const script = ['exec 2>&1', ...this.#exports, command].join('\n')
    return new Promise((resolve) => {
      execFile(
        'bash',
        ['-c', script],
        { cwd, env: { ...environment(), ...env }, timeout: 60_000 },
        (_error, stdout) => {
          resolve(this.constant(stdout).filter((line) => !line.startsWith('npm warn')))
        }
      )
    })
  }

  get #place(): { cwd: string; env: NodeJS.ProcessEnv } {
    const { folder, cwd = join(checkout, 'examples', folder), variable = 'PORTS', env } = this.#options
    return { cwd, env: { ...env, [variable]: this.ports } }
  }

  get #written(): RegExp {
    return new RegExp(`\\b${this.#options.ports}(\\d\\d)\\b`, 'g')
  }

  /** A line without what differs from one time to the next. */
  #constant(line: string): string {
    let constant = terminalLine(line.trimEnd()).replace(
      new RegExp(`\\b${this.ports}(\\d\\d)\\b`, 'g'),
      `${this.#options.ports}$1`
    )
    for (const [pattern, taken] of [...(VARYING ?? []), ...(this.#options.varying ?? [])]) {
      constant = constant.replace(pattern, taken)
    }
    return constant
  }
}

function blocks(text: string, language: string): string[] {
  return [...text.matchAll(/^```(\w+)\n(.*?)^```$/gms)]
    .filter(([, of]) => of === language)
    .map(([, , body]) => body ?? '')
}

function stepsOf(block: string): Step[] {
  const steps: { command: string; shown: string[] }[] = []
  for (const line of block.trimEnd().split('\n')) {
    if (line.startsWith('$ ')) steps.push({ command: line.slice(2), shown: [] })
    else steps.at(-1)?.shown.push(line)
  }
  return steps
}

/** Whether each line is the one wanted, `...` being any number of any lines. */
function matches(wanted: readonly string[], printed: readonly string[]): boolean {
  const [first, ...rest] = wanted
  if (first === undefined) return printed.every((line) => line === '')
  if (first === '...') return printed.some((_, i) => matches(rest, printed.slice(i))) || matches(rest, [])
  return printed[0] === first && matches(rest, printed.slice(1))
}

/** A line of the log, which is JSON where it is read by a program, as a terminal shows it. */
function terminalLine(line: string): string {
  if (!line.startsWith('{"level":')) return line
  const { level, time, msg, ...fields } = JSON.parse(line)
  const rest = Object.entries(fields).map(
    ([name, value]) => ` ${name}=${/\s/.test(String(value)) ? JSON.stringify(value) : value}`
  )
  return `${time.slice(11, 23)} ${level.toUpperCase().padEnd(5)} ${msg}${rest.join('')}`
}
