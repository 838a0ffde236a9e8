// The processes of the drill: started, told how to behave, killed. Each by its own pid.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'

/** ms for one to be there. It takes half a second; more where the machine is busy. */
const PATIENCE = 30_000

export class Children {
  #running = new Map()
  #isEnding = false
  #onDeath

  /** @param {(message: string) => void} onDeath called when one ends that nobody has killed */
  constructor(onDeath) {
    this.#onDeath = onDeath
    // Whatever ends this process, nothing of the drill outlives it.
    process.on('exit', () => {
      for (const { child } of this.#running.values()) child.kill('SIGKILL')
    })
  }

  /**
   * Starts one, and waits until it says `ready`: a service as a message, the sidecar as a line on its standard output.
   * Each leads a process group of its own, so that Ctrl-C in a terminal reaches this process alone, which then ends them.
   *
   * @param {string[]} args of node
   * @param {{ env: object, listens?: boolean }} options `listens`: whether it can be told how to behave
   * @throws Error when it does not come
   */
  async start(name, args, { env, listens = false }) {
    if (this.#isEnding) throw new Error(`${name} is not started: the drill ends`)
    const child = spawn(process.execPath, args, {
      detached: true,
      env: { ...process.env, ...env },
      stdio: ['ignore', 'pipe', 'pipe', ...(listens ? ['ipc'] : [])]
    })
    const entry = { child, said: '', isKilled: false }
    this.#running.set(name, entry)
    child.stderr.setEncoding('utf8').on('data', (text) => {
      entry.said = (entry.said + text).slice(-4096)
    })
    child.on('error', () => {})
    child.on('close', (code, signal) => {
      if (this.#running.get(name) === entry) this.#running.delete(name)
      if (!entry.isKilled)
        this.#onDeath(`${name} has ended on ${signal ?? `exit code ${code}`}\n${entry.said}`)
    })
    const ready = new Promise((resolve) => {
      if (listens) child.once('message', resolve)
      createInterface({ input: child.stdout }).on('line', (line) => {
        if (line.startsWith('ready ')) resolve()
      })
    })
    // Its death is told by `onDeath`.
    const late = sleep(PATIENCE, 'late', { ref: false })
    if ((await Promise.race([ready, late])) === 'late') {
      throw new Error(`${name} was not ready after ${PATIENCE / 1000} s\n${entry.said}`)
    }
  }

  /**
   * Tells a service how to behave; without a mood it goes on as it was.
   *
   * @param {import('../services/instance.mjs').Mood} [mood]
   * @returns how many requests that count it got since it was last told
   */
  async tell(name, mood) {
    const { child } = this.#running.get(name)
    const answered = once(child, 'message')
    child.send({ behave: mood })
    const [{ asked }] = await answered
    return asked
  }

  /** SIGKILL: it is gone at once, and has no time to say so. */
  async kill(name) {
    const entry = this.#running.get(name)
    if (entry === undefined) return
    entry.isKilled = true
    const { child } = entry
    const over = child.exitCode === null && child.signalCode === null ? once(child, 'exit') : undefined
    child.kill('SIGKILL')
    await over
    this.#running.delete(name)
  }

  /** Kills all of them, and starts no more. */
  async end() {
    this.#isEnding = true
    await Promise.all([...this.#running.keys()].map((name) => this.kill(name)))
  }
}
