import cluster, { type Worker } from 'node:cluster'
import { StartError } from '../server/types.js'
import {
  type Answer,
  type Answers,
  type Ask,
  type Beginning,
  errorOf,
  type Facts,
  FIRST,
  isOurs,
  LISTENING
} from './protocol.js'
import type { Seat } from './share.js'
import { endInTransit } from './transit.js'

/** What tells a process that it is one of several: its seat. `run` looks for it without loading any of this. */
const SEAT = 'OUTRIGGER_PROCESS'

interface Waiting {
  readonly parts: unknown[]
  resolve(answer: { value: unknown; parts: unknown[] }): void
  reject(error: Error): void
}

/** How a process ended. */
export interface End {
  readonly code: number | null
  readonly signal: string | null
  /** ms */
  readonly lived: number
}

/** A process that did not answer in time. */
export class NoAnswer extends Error {}

/** A process of the crew, as its primary has it. */
export class Member {
  readonly seat: Seat
  /** Resolves once its configuration is built. @throws ConfigError, StartError, Error that it could not be */
  readonly built: Promise<Facts>
  readonly ended: Promise<End>
  alive = true
  /** By its primary. */
  killed = false
  /** It has bound its listeners. */
  bound = false
  /** The same, and it has not been told to end. */
  serving = false
  /** What it was given last, whether or not it has taken that up. */
  text: string | undefined
  readonly #worker: Worker
  readonly #waiting = new Map<number, Waiting>()
  #last = FIRST

  /** @param text of its configuration; undefined: a module, which it is to read itself */
  constructor(seat: Seat, text: string | undefined) {
    this.seat = seat
    this.text = text
    const born = performance.now()
    this.#worker = cluster.fork({ [SEAT]: JSON.stringify(seat) })
    endInTransit(this.#worker)
    this.built = this.#expect(FIRST).then(({ value }) => value as Facts)
    this.built.catch(() => {})
    this.#worker.on('message', (message) => this.#hear(message))
    // Of a process that cannot be started, or told anything: it ends, or has ended.
    this.#worker.on('error', () => this.kill())
    this.ended = new Promise((resolve) => {
      this.#worker.once('exit', (code: number | null, signal: string | null) => {
        this.#end(describeEnd({ code, signal }))
        resolve({ code, signal: signal === '' ? null : signal, lived: performance.now() - born })
      })
    })
  }

  /** Binds its listeners. @param within ms @throws StartError */
  async start(within: number): Promise<Facts> {
    const facts = await this.ask('start', within)
    this.bound = this.serving = this.alive
    return facts
  }

  /**
   * @param within ms
   * @throws what it answers with; NoAnswer when that does not come in time; StartError when the process ends first
   */
  async ask<A extends Ask>(ask: A, within: number): Promise<Answers[A]> {
    return (await this.#call(ask, within)).value as Answers[A]
  }

  /** @param text as with the constructor */
  async reload(text: string | undefined, within: number): Promise<Facts> {
    this.text = text
    return (await this.#call('reload', within, text)).value as Facts
  }

  /** The same of an answer that comes in parts. */
  async askParts<Part>(ask: Ask, within: number): Promise<Part[]> {
    return (await this.#call(ask, within)).parts as Part[]
  }

  kill(): void {
    this.serving = false
    this.killed = true
    this.#worker.process.kill('SIGKILL')
  }

  #call(ask: Ask, within: number, text?: string): Promise<{ value: unknown; parts: unknown[] }> {
    if (!this.alive) return Promise.reject(new StartError(`process ${this.seat.number} has ended`))
    const id = ++this.#last
    const answer = this.#expect(id)
    const late = setTimeout(() => {
      const why = `process ${this.seat.number} did not answer within ${within} ms`
      this.#waiting.get(id)?.reject(new NoAnswer(why))
      this.#waiting.delete(id)
    }, within)
    // A channel that has just closed tells it by the callback; the process's end tells the rest.
    this.#worker.send({ outrigger: id, ask, text }, undefined, () => {})
    return answer.finally(() => clearTimeout(late))
  }

  #expect(id: number): Promise<{ value: unknown; parts: unknown[] }> {
    return new Promise((resolve, reject) => this.#waiting.set(id, { parts: [], resolve, reject }))
  }

  #hear(message: unknown): void {
    if (!isOurs(message)) return
    const { outrigger: id, part, value, error } = message as Answer
    if (id === LISTENING) {
      // Not before: what others listen for in it, such as a test runner, may be all that hears it.
      const beginning: Beginning = { outrigger: LISTENING, text: this.text }
      this.#worker.send(beginning, undefined, () => {})
      return
    }
    const waiting = this.#waiting.get(id)
    if (waiting === undefined) return
    if (part !== undefined) {
      waiting.parts.push(part)
      return
    }
    this.#waiting.delete(id)
    if (error !== undefined) waiting.reject(errorOf(error))
    else waiting.resolve({ value, parts: waiting.parts })
  }

  #end(how: string): void {
    this.alive = this.bound = this.serving = false
    const error = new StartError(`process ${this.seat.number} ${how}`)
    for (const { reject } of this.#waiting.values()) reject(error)
    this.#waiting.clear()
  }
}

/** Such as `was ended by SIGKILL`. */
export function describeEnd({ code, signal }: { code: number | null; signal: string | null }): string {
  return signal ? `was ended by ${signal}` : `ended with code ${code}`
}
