// Clients that ask at a fixed rate, whatever becomes of what they asked before: an open loop. What takes long is not made
// up for by asking less, and the time of an answer runs from when the request was due.
import { Agent, request } from 'node:http'

/**
 * @typedef {object} Answer
 * @property {boolean} isGood a 2xx, and in time
 * @property {number | undefined} status undefined where none came
 * @property {number} time ms from when it was due
 */

/** Requests, and how many of them at once, that come before all others. */
const FIRST = { requests: 200, atOnce: 4 }

export class Load {
  /** A second. Assign to change it. */
  rate
  #agent = new Agent({ keepAlive: true, maxSockets: 2000 })
  #method
  #headers
  #patience
  #address
  #path
  #next = 0
  #number = 0
  #timer
  /** @type {Answer[]} */
  #answers = []
  #underWay = 0
  #counts = false
  #onEnd

  /**
   * @param {string} address of the sidecar
   * @param {{ path: string | ((number: number) => string), rate: number, method?: string, patience?: number,
   *   headers?: (number: number) => object }} what `patience`: ms after which a client gives up
   */
  constructor(address, { path, rate, method = 'GET', headers = () => ({}), patience = 3000 }) {
    this.rate = rate
    this.#address = address
    this.#path = typeof path === 'string' ? () => path : path
    this.#patience = patience
    this.#method = method
    this.#headers = headers
  }

  /**
   * A few clients ask again when they are answered, and not before: whatever has just been started is slow, and must not
   * be buried under what it has no time for yet.
   */
  async warmUp() {
    let left = FIRST.requests
    const client = async () => {
      while (left-- > 0) await this.#ask(performance.now())
    }
    await Promise.all(Array.from({ length: FIRST.atOnce }, client))
  }

  /** From now on at the rate. */
  start() {
    this.#next = performance.now()
    this.#tick()
  }

  /** What is asked from now on counts, and nothing before. The services are told so by the header `x-counts`. */
  count() {
    this.#answers = []
    this.#counts = true
  }

  /** No more requests. @returns all answers that count, the last one there or given up */
  async stop() {
    clearTimeout(this.#timer)
    if (this.#underWay > 0) await new Promise((resolve) => (this.#onEnd = resolve))
    this.#agent.destroy()
    return this.#answers
  }

  #tick() {
    const now = performance.now()
    for (; this.#next <= now; this.#next += 1000 / this.rate) void this.#ask(this.#next)
    this.#timer = setTimeout(() => this.#tick(), Math.max(1, this.#next - performance.now()))
  }

  /** Resolves when it has been answered or given up. */
  #ask(due) {
    const answers = this.#answers
    const number = ++this.#number
    const headers = { ...this.#headers(number), ...(this.#counts ? { 'x-counts': '1' } : {}) }
    const options = { method: this.#method, headers, agent: this.#agent }
    this.#underWay++
    return new Promise((resolve) => {
      let isOver = false
      const end = (status) => {
        if (isOver) return
        isOver = true
        clearTimeout(timer)
        const time = performance.now() - due
        answers.push({ isGood: status >= 200 && status < 300, status, time })
        if (--this.#underWay === 0) this.#onEnd?.()
        resolve()
      }
      const asking = request(this.#address + this.#path(number), options, (response) => {
        response.resume()
        response.on('end', () => end(response.statusCode))
        response.on('close', () => end(undefined))
      })
      const timer = setTimeout(() => asking.destroy(), this.#patience - (performance.now() - due))
      asking.on('error', () => end(undefined))
      asking.on('close', () => end(undefined))
      asking.end()
    })
  }
}
