import type { Clock, ClockTimer, Endpoint, ServiceHandle } from '../../core/index.js'

/** No newcomer gets less of its weight: Envoy's `min_weight_percent`. */
const LEAST = 0.1
/** Steps of a window, and the least and most ms between two: each one makes the core look at its endpoints anew. */
const STEPS = 50
const SHORTEST = 100
const LONGEST = 1_000

export interface SlowStartOptions {
  /** ms */
  readonly window: number
  readonly aggression: number
}

/** What is remembered of an endpoint, over reloads. */
interface Progress {
  /** The `availableSince` that it has had its slow start for; undefined: it is a newcomer. */
  warmSince: number | undefined
  /** Nobody has decided yet whether it is one. */
  fresh: boolean
  /** The last of the instances that had to do with it: an older one, whose configuration retires, keeps off. */
  owner: number
}

let instances = 0

/**
 * An endpoint's part of its weight at `ms` of its window (Envoy's slow start): `max(10%, (ms / window)^(1 / aggression))`.
 */
export function partOf(ms: number, { window, aggression }: SlowStartOptions): number {
  if (ms >= window) return 1
  return Math.max(LEAST, (Math.max(0, ms) / window) ** (1 / aggression))
}

/**
 * Gives endpoints that come in, or come back, their weight little by little. Whoever is there at the first load is no newcomer;
 * what a reload or discovery adds is one.
 */
export class SlowStart {
  readonly #service: ServiceHandle
  readonly #clock: Clock
  readonly #options: SlowStartOptions
  readonly #progressOf: (endpoint: Endpoint) => Progress
  readonly #instance = ++instances
  /** Lists without a newcomer. */
  readonly #settled = new WeakSet<readonly Endpoint[]>()
  /** The last of them, which spares most picks the set. */
  #last: readonly Endpoint[] | undefined
  /** Those in their window, and since when. */
  readonly #warming = new Map<Endpoint, number>()
  #timer: ClockTimer | undefined
  #stopped = false

  constructor(service: ServiceHandle, clock: Clock, options: SlowStartOptions) {
    this.#service = service
    this.#clock = clock
    this.#options = options
    this.#progressOf = service.keep('load-balancer slow start', () => ({
      warmSince: undefined,
      fresh: true,
      owner: 0
    }))
    const all = service.endpoints.map((endpoint) => ({ endpoint, progress: this.#progressOf(endpoint) }))
    const first = all.every(({ progress }) => progress.fresh)
    for (const { endpoint, progress } of all) {
      if (first) progress.warmSince = endpoint.availableSince
      progress.fresh = false
    }
  }

  /** Looks for newcomers in a list that was not seen yet, before anything is picked from it. */
  look(endpoints: readonly Endpoint[]): void {
    if (endpoints === this.#last) return
    if (!this.#settled.has(endpoints)) {
      for (const endpoint of endpoints) this.#welcome(endpoint)
      if (!Object.isFrozen(endpoints)) return
      this.#settled.add(endpoints)
    }
    this.#last = endpoints
  }

  stop(): void {
    this.#stopped = true
    this.#timer?.cancel()
    // Without a slow start in the configuration that comes, nobody else would.
    for (const endpoint of this.#warming.keys())
      if (this.#progressOf(endpoint).owner === this.#instance) this.#service.scale(endpoint, 1)
    this.#warming.clear()
  }

  #welcome(endpoint: Endpoint): void {
    const progress = this.#progressOf(endpoint)
    const since = endpoint.availableSince
    if (progress.warmSince === since || this.#warming.get(endpoint) === since || this.#stopped) return
    if (progress.owner > this.#instance) return
    progress.owner = this.#instance
    progress.fresh = false
    this.#warming.set(endpoint, since)
    this.#warm(endpoint, since)
    if (this.#warming.size === 0 || this.#timer !== undefined) return
    const step = Math.min(LONGEST, Math.max(SHORTEST, this.#options.window / STEPS))
    this.#timer = this.#clock.setInterval(() => this.#step(), step)
  }

  #step(): void {
    for (const [endpoint, since] of this.#warming) this.#warm(endpoint, since)
    if (this.#warming.size > 0) return
    this.#timer?.cancel()
    this.#timer = undefined
  }

  #warm(endpoint: Endpoint, since: number): void {
    const progress = this.#progressOf(endpoint)
    if (progress.owner > this.#instance) {
      this.#warming.delete(endpoint)
      return
    }
    const part = partOf(this.#clock.now() - since, this.#options)
    this.#service.scale(endpoint, part)
    if (part < 1) return
    progress.warmSince = since
    this.#warming.delete(endpoint)
  }
}
