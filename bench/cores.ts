// Who runs where. A proxy has a core of its own; what drives it and what it forwards to share the other.
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { has } from './machine.js'

/** Where the proxies run and where all else does; undefined where the system cannot pin or has one core. */
export interface Cores {
  readonly proxy: number
  readonly load: number
}

/** Takes two of the cores that this process may use, and moves itself, and so what it starts, to the second. */
export function takeCores(): Cores | undefined {
  if (!has('taskset')) return undefined
  const [proxy, load] = allowed()
  if (proxy === undefined || load === undefined) return undefined
  execFileSync('taskset', ['-acp', String(load), String(process.pid)])
  return { proxy, load }
}

/** The command that runs a file on the cores named. */
export function pinned(on: readonly number[], file: string, args: readonly string[]) {
  if (on.length === 0) return { file, args }
  return { file: 'taskset', args: ['-c', on.join(','), file, ...args] }
}

/** `0-1,4` */
function allowed(): number[] {
  const status = readFileSync('/proc/self/status', 'utf8')
  const list = /^Cpus_allowed_list:\s*(\S+)/m.exec(status)?.[1] ?? ''
  return list.split(',').flatMap((range) => {
    const [from = 0, to = from] = range.split('-').map(Number)
    return Array.from({ length: to - from + 1 }, (_, i) => from + i)
  })
}

/**
 * Keeps a core from going idle, and takes nothing from whoever wants it: a hypervisor takes an idle core away and is slow
 * to give it back, which costs a measurement half its time now and then.
 */
export class Spinner {
  readonly core: number
  #child: ChildProcess

  constructor(core: number) {
    this.core = core
    this.#child = this.#start()
    process.on('exit', () => this.#child.kill('SIGKILL'))
  }

  get pid(): number {
    return this.#child.pid ?? 0
  }

  /** For the time that something else keeps the core awake, and at the same priority. */
  async without<T>(run: () => Promise<T>): Promise<T> {
    this.#child.kill('SIGKILL')
    try {
      return await run()
    } finally {
      this.#child = this.#start()
    }
  }

  #start(): ChildProcess {
    // It looks whether the bench is still there, for one that is killed cannot end it.
    const loop = `while kill -0 ${process.pid} 2>/dev/null; do i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done; done`
    const command = ['-c', String(this.core), ...atIdlePriority('sh', ['-c', loop])]
    const child = spawn('taskset', command, { stdio: 'ignore' })
    child.on('error', () => {})
    return child
  }
}

/** A command that the system runs when nothing else wants to; all of it is one list of arguments. */
export function atIdlePriority(file: string, args: readonly string[]): string[] {
  return ['chrt', '-i', '0', file, ...args]
}

/** One on each core; none where the system knows no such priority. */
export function spin(cores: Cores | undefined): Spinner[] {
  if (cores === undefined || !has('chrt')) return []
  return [cores.proxy, cores.load].map((core) => new Spinner(core))
}
