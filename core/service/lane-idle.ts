import { type ClockTimer, systemClock } from '../hooks/clock.js'
import type { LaneConnection } from './lane-connection.js'

/** The most ms a timer takes. */
const LONGEST = 2 ** 31 - 1

/**
 * The connections that wait for a request. The last one to become free is the next to be used, so that what is not
 * needed grows old and closes. One timer for all of them, which stands while there are none.
 */
export class IdleLanes {
  readonly #lanes: LaneConnection[] = []
  #timer: ClockTimer | undefined = undefined
  /** When it fires. */
  #due = Number.POSITIVE_INFINITY

  push(lane: LaneConnection): void {
    const now = systemClock.now()
    lane.expiresAt = now + lane.keepFor
    this.#lanes.push(lane)
    if (lane.expiresAt < this.#due) this.#arm(lane.expiresAt, now)
  }

  pop(): LaneConnection | undefined {
    return this.#lanes.pop()
  }

  /** Takes the one that has waited longest. */
  shift(): LaneConnection | undefined {
    return this.#lanes.shift()
  }

  remove(lane: LaneConnection): void {
    const at = this.#lanes.lastIndexOf(lane)
    if (at !== -1) this.#lanes.splice(at, 1)
  }

  close(): void {
    for (const lane of this.#lanes.splice(0)) lane.close()
    this.#disarm()
  }

  #arm(due: number, now: number): void {
    this.#timer?.cancel()
    this.#due = due
    this.#timer = systemClock.setTimeout(() => this.#expire(), Math.min(LONGEST, Math.ceil(due - now)))
  }

  #disarm(): void {
    this.#timer?.cancel()
    this.#timer = undefined
    this.#due = Number.POSITIVE_INFINITY
  }

  #expire(): void {
    this.#disarm()
    const now = systemClock.now()
    const old = this.#lanes.filter(({ expiresAt }) => expiresAt <= now)
    for (const lane of old) {
      this.remove(lane)
      lane.close()
    }
    let due = Number.POSITIVE_INFINITY
    for (const { expiresAt } of this.#lanes) due = Math.min(due, expiresAt)
    if (due !== Number.POSITIVE_INFINITY) this.#arm(due, now)
  }
}
