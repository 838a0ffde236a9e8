import type { Clock } from '../hooks/clock.js'
import type { Arrangement } from '../hooks/plugin.js'
import type { Endpoint } from '../hooks/types.js'
import type { EndpointState } from './endpoint.js'
import { DEFAULT_ARRANGEMENT, type Level, levelsOf } from './levels.js'

const NONE: readonly EndpointState[] = Object.freeze([])

/**
 * What the next attempt chooses from. Worked out when something has changed and not per attempt: until then a level's list is
 * the same frozen object, and what was derived from it holds.
 */
export class Choice {
  arrangement: Arrangement = DEFAULT_ARRANGEMENT
  levels: readonly Level[] = []
  readonly #clock: Clock
  readonly #random: () => number
  /** The version that `levels` is of. */
  #seen = -1
  /** When the next ejection or the next wait of a breaker ends, on the clock; 0 when there is none. */
  #nextChange = 0
  /** The list of the only level that has any traffic; undefined when there are several. */
  #only: readonly EndpointState[] | undefined = NONE

  constructor(clock: Clock, random: () => number) {
    this.#clock = clock
    this.#random = random
  }

  arrange(arrangement: Partial<Arrangement>): void {
    const given = Object.entries(arrangement).filter(([, value]) => value !== undefined)
    this.arrangement = { ...this.arrangement, ...Object.fromEntries(given) }
    this.#seen = -1
  }

  /** The list of the only level that has any traffic; undefined where several share it, and `drawn` is to be asked. */
  of(endpoints: readonly EndpointState[], version: number): readonly EndpointState[] | undefined {
    this.refresh(endpoints, version)
    return this.#only
  }

  /** @param by an endpoint, whose level is taken where it has a share, or a number in place of chance */
  drawn(by: Endpoint | number | undefined): readonly EndpointState[] {
    if (typeof by === 'number' && by >= 0 && by < 1) return this.#draw(by)
    const own =
      typeof by === 'object' &&
      this.levels.find(({ share, endpoints }) => share > 0 && endpoints.includes(by as EndpointState))
    return own ? own.endpoints : this.#draw(this.#random())
  }

  refresh(endpoints: readonly EndpointState[], version: number): void {
    if (this.#seen === version && (this.#nextChange === 0 || this.#clock.now() < this.#nextChange)) return
    const now = this.#clock.now()
    this.#seen = version
    this.#nextChange = 0
    for (const endpoint of endpoints) {
      this.#letPass(endpoint, now)
    }
    this.levels = levelsOf(endpoints, now, this.arrangement)
    const used = this.levels.filter(({ share }) => share > 0)
    this.#only = used.length > 1 ? undefined : (used[0]?.endpoints ?? NONE)
  }

  /** What the time ends, is ended. */
  #letPass(endpoint: EndpointState, now: number): void {
    if (endpoint.ejectedUntil !== 0) {
      if (endpoint.ejectedUntil > now) this.#changesAt(endpoint.ejectedUntil)
      else {
        endpoint.ejectedUntil = 0
        endpoint.cameBack(now)
      }
    }
    const { circuit } = endpoint
    if (circuit.state === 'open' && !circuit.admits(now)) this.#changesAt(circuit.until)
  }

  #changesAt(time: number): void {
    if (this.#nextChange === 0 || time < this.#nextChange) this.#nextChange = time
  }

  #draw(chance: number): readonly EndpointState[] {
    let left = chance
    let last = NONE
    for (const { share, endpoints } of this.levels) {
      if (share === 0) continue
      if (left < share) return endpoints
      left -= share
      last = endpoints
    }
    // Sums of fractions round: what is left over is the last one's.
    return last
  }
}
