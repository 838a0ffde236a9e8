import type { Clock, Endpoint, ServiceInfo } from '../../core/index.js'

/** Lists up to this long are counted each time. */
const SHORT = 256
/** ms that the count of a longer one holds: when thousands fail at once, each of them asks for room. */
const FRESH = 250

/** How many endpoints of a service may be ejected, whoever ejected them. */
export class Room {
  readonly #service: ServiceInfo
  readonly #clock: Clock
  readonly #percent: number
  #list: readonly Endpoint[] | undefined
  #ejected = 0
  #countedAt = 0

  /** @param percent of the endpoints; from 0 to 100 */
  constructor(service: ServiceInfo, clock: Clock, percent: number) {
    this.#service = service
    this.#clock = clock
    this.#percent = percent
  }

  /** Whether this one may be ejected now. `take` counts it when it was. */
  hasFor(endpoint: Endpoint): boolean {
    const { endpoints } = this.#service
    const now = this.#clock.now()
    if (this.#count(endpoints, now) >= mostEjected(endpoints.length, this.#percent)) return false
    // Whoever has no other to compare it with knows of no outlier, and an answer that may fail is better than none.
    return this.#percent === 100 || endpoints.some((other) => other !== endpoint && isUsable(other, now))
  }

  take(): void {
    this.#ejected++
  }

  #count(endpoints: readonly Endpoint[], now: number): number {
    const fresh = endpoints.length > SHORT && now - this.#countedAt < FRESH
    if (this.#list === endpoints && fresh) return this.#ejected
    this.#list = endpoints
    this.#countedAt = now
    this.#ejected = 0
    for (const { ejectedUntil } of endpoints) if (ejectedUntil > now) this.#ejected++
    return this.#ejected
  }
}

/** Of `endpoints`, that many: `percent` of them rounded down, but at least one, unless it is 0 percent. */
export function mostEjected(endpoints: number, percent: number): number {
  return percent === 0 ? 0 : Math.max(1, Math.floor((endpoints * percent) / 100))
}

function isUsable({ healthy, ejectedUntil, breaker }: Endpoint, now: number): boolean {
  return healthy && ejectedUntil <= now && breaker !== 'open'
}
