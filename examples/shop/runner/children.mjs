// The processes of the shop: started, watched, ended.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'

export class Children {
  #running = new Map()
  #ending = false
  #onDeath

  /** @param {(message: string) => void} onDeath called when one ends that was not asked to */
  constructor(onDeath) {
    this.#onDeath = onDeath
    // Whatever ends this process, nothing of the shop outlives it.
    process.on('exit', () => {
      for (const child of this.#running.values()) child.kill('SIGKILL')
    })
  }

  /**
   * Each leads a process group of its own, so that Ctrl-C in a terminal reaches this process alone, which ends them in
   * their order.
   *
   * @param {string[]} args of node
   * @param {{ env: object, onLine?: (line: string) => void, onMessage?: (message: unknown) => void }} options
   */
  start(name, args, { env, onLine = () => {}, onMessage }) {
    const ipc = onMessage === undefined ? [] : ['ipc']
    const child = spawn(process.execPath, args, {
      detached: true,
      env: { ...process.env, ...env },
      stdio: ['ignore', 'pipe', 'pipe', ...ipc]
    })
    this.#running.set(name, child)
    createInterface({ input: child.stdout }).on('line', onLine)
    createInterface({ input: child.stderr }).on('line', (line) => {
      if (!this.#ending) console.error(`${name}: ${line}`)
    })
    if (onMessage !== undefined) child.on('message', onMessage)
    child.on('error', (error) => {
      if (!this.#ending) this.#onDeath(`${name}: ${error.message}`)
    })
    // And not 'exit': by now all that it wrote has been read.
    child.on('close', (code, signal) => {
      this.#running.delete(name)
      if (!this.#ending)
        this.#onDeath(`${name} has ended ${signal === null ? `with code ${code}` : `on ${signal}`}`)
    })
  }

  /** From now on nobody is told when one ends, nor what it has to say. */
  expectTheEnd() {
    this.#ending = true
  }

  /** SIGTERM to those named. Who has not ended after `grace` ms is killed. */
  async stop(names, grace) {
    const named = names.map((name) => this.#running.get(name)).filter((child) => child !== undefined)
    const ends = named.map((child) => {
      const isOver = child.pid === undefined || child.exitCode !== null || child.signalCode !== null
      return isOver ? undefined : once(child, 'exit')
    })
    for (const child of named) child.kill('SIGTERM')
    const timer = setTimeout(() => {
      for (const child of named) child.kill('SIGKILL')
    }, grace)
    await Promise.all(ends)
    clearTimeout(timer)
  }
}
