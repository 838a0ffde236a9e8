import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import type { Test } from 'tap'
import { checkout, environment } from '../repository/command.js'

/** ms. The machine may be doing much else. */
const PATIENCE = 60_000

/** The examples run what users run. `npm test` builds it. */
export function requireBuild(): void {
  const binary = 'dist/plugins/bin.js'
  if (!existsSync(join(checkout, binary))) throw new Error(`${binary} is missing: \`npm run build\` makes it`)
}

/** A command that runs until it is ended, and what it has written so far. */
export class Running {
  readonly #child: ChildProcess
  readonly #closed: Promise<unknown>
  readonly #command: string
  #output = ''

  /** In a process group of its own, which is ended with the test. */
  static start(t: Test, command: string, options: { cwd: string; env: NodeJS.ProcessEnv }): Running {
    const running = new Running(command, options)
    t.teardown(() => running.#kill())
    return running
  }

  private constructor(command: string, { cwd, env }: { cwd: string; env: NodeJS.ProcessEnv }) {
    this.#command = command
    this.#child = spawn('bash', ['-c', `exec ${command}`], {
      cwd,
      env: { ...environment(), ...env },
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe']
    })
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      stream?.setEncoding('utf8').on('data', (text: string) => {
        this.#output += text
      })
    }
    this.#closed = once(this.#child, 'close')
  }

  get pid(): number {
    return this.#child.pid as number
  }

  /** Standard output and standard error as they came. */
  get output(): string {
    return this.#output
  }

  get lines(): string[] {
    return this.#output.split('\n')
  }

  /** Resolves with what `find` finds in the output, as soon as it does. @throws when the command ends before, or in a minute */
  async until<T>(what: string, find: (lines: string[]) => T | undefined): Promise<T> {
    const late = AbortSignal.timeout(PATIENCE)
    for (;;) {
      const found = find(this.lines)
      if (found !== undefined) return found
      const isOver = this.#child.exitCode !== null || this.#child.signalCode !== null
      if (isOver || late.aborted) {
        const why = isOver ? 'ended' : `ran for ${PATIENCE / 1000} s`
        throw new Error(`${this.#command} ${why} without ${what}:\n${this.#output}`)
      }
      const more = [this.#child.stdout, this.#child.stderr].map((stream) =>
        once(stream as NonNullable<typeof stream>, 'data', { signal: late })
      )
      await Promise.race([...more, this.#closed]).catch(() => {})
      for (const each of more) each.catch(() => {})
    }
  }

  /** Ctrl-C, as a terminal sends it: to the whole process group. */
  interrupt(): void {
    process.kill(-this.pid, 'SIGINT')
  }

  /** Resolves when it has ended and all that it wrote has been read, with its exit code or the signal that ended it. */
  async ended(): Promise<number | string> {
    const timer = setTimeout(() => this.#kill(), PATIENCE)
    await this.#closed
    clearTimeout(timer)
    return this.#child.exitCode ?? (this.#child.signalCode as string)
  }

  async #kill(): Promise<void> {
    try {
      process.kill(-this.pid, 'SIGKILL')
    } catch {
      // All of it has ended.
    }
    await this.#closed
  }
}
