import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { createClient } from '@redis/client'
import { closedPort } from '../../support/upstream.js'

interface Closing {
  teardown(close: () => unknown): unknown
}

/** ms. The machine may be doing much else. */
const PATIENCE = 20_000

/** A real Redis that keeps nothing, on a port of its own and in a folder that is gone with the test. */
export class RedisServer {
  readonly port: number
  readonly socket: string
  readonly #directory: string
  readonly #password: string | undefined
  #child: ChildProcess | undefined

  private constructor(port: number, directory: string, password: string | undefined) {
    this.port = port
    this.socket = join(directory, 'redis.sock')
    this.#directory = directory
    this.#password = password
  }

  /** One that is not there yet. */
  static async at(t: Closing, password?: string): Promise<RedisServer> {
    const directory = mkdtempSync(join(tmpdir(), 'outrigger-redis-'))
    const server = new RedisServer(await closedPort(), directory, password)
    t.teardown(async () => {
      await server.kill()
      rmSync(directory, { recursive: true, force: true })
    })
    return server
  }

  static async start(t: Closing, password?: string): Promise<RedisServer> {
    const server = await RedisServer.at(t, password)
    await server.start()
    return server
  }

  get url(): string {
    return `redis://127.0.0.1:${this.port}`
  }

  /** Until it answers. */
  async start(): Promise<void> {
    const options = {
      port: this.port,
      bind: '127.0.0.1',
      unixsocket: this.socket,
      dir: this.#directory,
      save: '',
      appendonly: 'no',
      ...(this.#password === undefined ? {} : { requirepass: this.#password })
    }
    const args = Object.entries(options).flatMap(([name, value]) => [`--${name}`, String(value)])
    const child = spawn('redis-server', args, { stdio: 'ignore' })
    this.#child = child
    let problem: Error | undefined
    child.on('error', (error) => {
      problem = error
    })
    for (const until = Date.now() + PATIENCE; ; await sleep(20)) {
      if (problem !== undefined) throw problem
      if (child.exitCode !== null) throw new Error(`redis-server ended with ${child.exitCode}`)
      if (Date.now() > until) throw new Error('redis-server does not answer')
      if ((await this.ask('PING').catch(() => undefined)) === 'PONG') return
    }
  }

  /** One command on a connection of its own. */
  async ask(...command: string[]): Promise<unknown> {
    const client = createClient({
      url: this.url,
      RESP: 2,
      ...(this.#password === undefined ? {} : { password: this.#password }),
      socket: { reconnectStrategy: false, connectTimeout: 1_000 }
    })
    client.on('error', () => {})
    await client.connect()
    try {
      return await client.sendCommand(command)
    } finally {
      client.destroy()
    }
  }

  /** It stands still: connections stay, and nothing is answered. */
  freeze(): void {
    this.#child?.kill('SIGSTOP')
  }

  thaw(): void {
    this.#child?.kill('SIGCONT')
  }

  async kill(): Promise<void> {
    const child = this.#child
    this.#child = undefined
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return
    const ended = once(child, 'exit')
    child.kill('SIGKILL')
    await ended
  }
}
