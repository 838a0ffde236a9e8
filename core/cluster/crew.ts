import { backoff, STEADY } from '../cli/backoff.js'
import { problemLines } from '../cli/failure.js'
import { ConfigError } from '../config/problem.js'
import type { Logger } from '../hooks/plugin.js'
import { StartError } from '../server/types.js'
import { describeEnd, type End, Member } from './member.js'
import type { Facts } from './protocol.js'

export interface CrewOptions {
  readonly of: number
  readonly log: Logger
  /** Of the configuration that runs; undefined: a module, which each reads itself. */
  text(): string | undefined
  /** A process has ended, whether it was to or not. */
  onEnd(member: Member): void
  /**
   * One that takes the place of another is built.
   * @param serve makes it serve; what is reloaded from then on, it is asked to reload as well
   */
  onBuilt(member: Member, facts: Facts, serve: () => Promise<Facts>): Promise<void>
}

/** ms that binding the listeners may take. */
const START = 30_000

interface Place {
  member: Member | undefined
  deaths: number
  restart: NodeJS.Timeout | undefined
}

/** The processes that serve. One that ends by itself is replaced, with back-off. */
export class Crew {
  restarts = 0
  readonly #options: CrewOptions
  readonly #places: Place[]
  readonly #killAll = () => this.kill()
  #replaces = false
  #ending = false

  constructor(options: CrewOptions) {
    this.#options = options
    this.#places = Array.from({ length: options.of }, () => ({
      member: undefined,
      deaths: 0,
      restart: undefined
    }))
  }

  get members(): Member[] {
    return this.#places.flatMap(({ member }) => (member === undefined ? [] : [member]))
  }

  get serving(): Member[] {
    return this.members.filter(({ serving }) => serving)
  }

  /** Those that wait for their next start. */
  get waiting(): number {
    return this.#places.filter(({ restart }) => restart !== undefined).length
  }

  /**
   * Starts all of them. Resolves once each has built its configuration.
   *
   * @throws ConfigError, StartError, Error of the first that could not; the others are killed
   */
  async build(): Promise<Facts> {
    // What this process starts must not outlive it, however it ends; what serves by then drains for want of a primary.
    process.once('exit', this.#killAll)
    const built = this.#places.map((_, at) => this.#fork(at).built)
    try {
      const [facts] = await Promise.all(built)
      return facts as Facts
    } catch (error) {
      this.kill()
      throw error
    }
  }

  /** Binds the listeners. @throws StartError of the first that cannot */
  async start(): Promise<Facts> {
    const [first, ...others] = this.members
    if (first === undefined) throw new StartError('every process has ended')
    // The first finds out whether an address is free; that is told once.
    const facts = await first.start(START)
    await Promise.all(others.map((member) => member.start(START)))
    this.#replaces = true
    // One may have ended since.
    for (const [at, { member, restart }] of this.#places.entries())
      if (member === undefined && restart === undefined) this.#replace(at)
    return facts
  }

  /** Tells each to end, and kills what is left of them after that time. @param within ms */
  async end(how: 'drain' | 'close', within: number): Promise<void> {
    this.#ending = true
    for (const place of this.#places) {
      clearTimeout(place.restart)
      place.restart = undefined
    }
    await Promise.all(
      this.members.map(async (member) => {
        // Of one that has not begun to serve nothing is worth waiting for.
        if (!member.bound) member.kill()
        member.serving = false
        const late = setTimeout(() => {
          const { number } = member.seat
          this.#options.log.warn(
            { process: number },
            `process ${number} was killed: it had not ended in time`
          )
          member.kill()
        }, within)
        member.ask(how, within).catch(() => {})
        await member.ended
        clearTimeout(late)
      })
    )
    process.off('exit', this.#killAll)
  }

  /** At once. */
  kill(): void {
    this.#ending = true
    for (const place of this.#places) {
      clearTimeout(place.restart)
      place.restart = undefined
      place.member?.kill()
    }
  }

  #fork(at: number): Member {
    const place = this.#places[at] as Place
    const member = new Member({ number: at + 1, of: this.#places.length }, this.#options.text())
    place.member = member
    void member.ended.then((end) => this.#onEnd(at, member, end))
    return member
  }

  #onEnd(at: number, member: Member, end: End): void {
    const place = this.#places[at] as Place
    place.member = undefined
    this.#options.onEnd(member)
    if (this.#ending || !this.#replaces) return
    place.deaths = end.lived >= STEADY ? 1 : place.deaths + 1
    this.#replace(at, member.killed ? 'was taken out' : describeEnd(end))
  }

  #replace(at: number, how = 'has ended'): void {
    const place = this.#places[at] as Place
    const number = at + 1
    const wait = backoff(Math.max(1, place.deaths), Math.random())
    this.#options.log.error({ process: number }, `process ${number} ${how}: starting it again in ${wait} ms`)
    place.restart = setTimeout(() => {
      place.restart = undefined
      void this.#join(this.#fork(at))
    }, wait)
  }

  async #join(member: Member): Promise<void> {
    const { log, onBuilt } = this.#options
    const { number } = member.seat
    try {
      await onBuilt(member, await member.built, () => member.start(START))
      this.restarts++
      log.info({ process: number }, `process ${number} serves again`)
    } catch (error) {
      if (this.#ending) return
      const message = `process ${number} could not be started again`
      if (error instanceof ConfigError) {
        log.error({ process: number }, message)
        for (const line of problemLines(error)) log.error(line)
      } else {
        log.error({ process: number, error }, message)
      }
      // Its end starts it again, later.
      member.kill()
    }
  }
}
