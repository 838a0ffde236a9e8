import { type ChildProcess, spawn } from 'node:child_process'
import { type ClockTimer, systemClock } from '../hooks/clock.js'
import type { Logger } from '../hooks/plugin.js'
import { StartError } from '../server/types.js'
import { backoff, STEADY } from './backoff.js'
import { groupRuns, signalGroup } from './process-group.js'

export interface SuperviseOptions {
  command: string
  args: readonly string[]
  log: Logger
}

/** ms between looks at whether a group that was told to end has ended. */
const LOOK = 25

/**
 * The service beside the proxy: started, started again when it ends, and ended with all that it has started.
 *
 * It leads a process group of its own, so that Ctrl-C in the terminal reaches the proxy alone: the service must live
 * until the last exchange has ended.
 */
export class Supervisor {
  readonly #options: SuperviseOptions
  #child: ChildProcess | undefined
  #restart: ClockTimer | undefined
  #deaths = 0
  #stopping = false

  constructor(options: SuperviseOptions) {
    this.#options = options
  }

  /** Undefined while it is not running. */
  get pid(): number | undefined {
    return this.#child?.pid
  }

  /** @throws StartError when there is no such command, or it cannot be run */
  async start(): Promise<void> {
    try {
      await this.#spawn()
    } catch (error) {
      throw new StartError(explainSpawn(this.#options.command, error), error)
    }
  }

  /**
   * SIGTERM to the service; once it has ended, to what it has left behind. What is there after `grace` is killed.
   *
   * @param grace ms
   */
  async stop(grace: number): Promise<void> {
    this.#stopping = true
    this.#restart?.cancel()
    const child = this.#child
    if (child?.pid === undefined) return
    const until = performance.now() + grace
    const within = () => performance.now() < until
    // A shell or npm hands the signal on and waits: a second one from us would read as "at once" to what it started.
    child.kill('SIGTERM')
    while (isRunning(child) && within()) await tick()
    if (!signalGroup(child.pid, 'SIGTERM')) return
    while (groupRuns(child.pid) && within()) await tick()
    if (!groupRuns(child.pid)) return
    signalGroup(child.pid, 'SIGKILL')
    this.#options.log.warn(`the service was killed: it had not ended after ${grace} ms`)
  }

  /** At once, with all that it has started. */
  kill(): void {
    this.#stopping = true
    this.#restart?.cancel()
    if (this.#child?.pid !== undefined) signalGroup(this.#child.pid, 'SIGKILL')
  }

  #spawn(): Promise<void> {
    return new Promise((resolve, reject) => {
      const { command, args } = this.#options
      const child = spawn(command, args, { stdio: 'inherit', detached: true })
      const born = performance.now()
      // A process that is there has its number at once: from here on it can be stopped.
      if (child.pid !== undefined) this.#child = child
      child.once('spawn', resolve)
      // A promise that has resolved is not moved by an error that comes later, of a signal that could not be sent.
      child.on('error', reject)
      child.once('exit', (code, signal) => this.#onExit(child, code, signal, performance.now() - born))
    })
  }

  #onExit(child: ChildProcess, code: number | null, signal: NodeJS.Signals | null, lived: number): void {
    if (this.#stopping) return
    // What a dead service has left running would hold its address against the next one.
    if (child.pid !== undefined) signalGroup(child.pid, 'SIGKILL')
    this.#child = undefined
    this.#deaths = lived >= STEADY ? 1 : this.#deaths + 1
    const how = signal === null ? `ended with code ${code}` : `was ended by ${signal}`
    this.#later(`the service ${how}`)
  }

  #later(what: string): void {
    const wait = backoff(this.#deaths, Math.random())
    this.#options.log.warn(`${what}: starting it again in ${wait} ms`)
    this.#restart = systemClock.setTimeout(() => {
      this.#spawn().catch((error) => {
        // The file may be missing for the moment of a deployment; it was there once.
        this.#deaths += 1
        if (!this.#stopping) this.#later(explainSpawn(this.#options.command, error))
      })
    }, wait)
  }
}

function explainSpawn(command: string, error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException
  if (code === 'ENOENT') return `the service cannot be started: there is no command ${command}`
  if (code === 'EACCES') return `the service cannot be started: ${command} is not executable`
  return `the service cannot be started: ${command}: ${message}`
}

function isRunning(child: ChildProcess): boolean {
  return child.exitCode === null && child.signalCode === null
}

/** Keeps the process alive, which the clock's timers do not. */
function tick(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, LOOK))
}
