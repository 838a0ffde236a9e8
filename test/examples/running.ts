import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Test } from 'tap'
import { checkout, environment } from '../repository/command.js'

/** ms. The machine may be doing much else. */
const PATIENCE = 60_000
const GRACE = 15_000

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
  #isClosed = false
  #onNews: () => void = () => {}

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
        this.#onNews()
      })
    }
    this.#closed = once(this.#child, 'close').then(() => {
      this.#isClosed = true
      this.#onNews()
    })
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
    const until = performance.now() + PATIENCE
    for (;;) {
      const found = find(this.lines)
      if (found !== undefined) return found
      const isLate = performance.now() >= until
      if (this.#isClosed || isLate) {
        const why = isLate ? `ran for ${PATIENCE / 1000} s` : 'ended'
        throw new Error(`${this.#command} ${why} without ${what}:\n${this.#output}`)
      }
      await this.#news(until - performance.now())
    }
  }

  /** Resolves when there is more output, when it has ended, or after `ms`. */
  #news(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms)
      this.#onNews = () => {
        clearTimeout(timer)
        resolve()
      }
    })
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

  /** Asked first: what it has started in other process groups only it can end. */
  async #kill(): Promise<void> {
    for (const signal of ['SIGINT', 'SIGKILL'] as const) {
      try {
        process.kill(-this.pid, signal)
      } catch {
        // All of it has ended.
      }
      const timer = new AbortController()
      await Promise.race([this.#closed, sleep(GRACE, undefined, { signal: timer.signal }).catch(() => {})])
      timer.abort()
      if (this.#isClosed) return
    }
  }
}
