import type { Clock, CounterCell, Endpoint, Exchange, Logger, ServiceHandle } from '../../core/index.js'
import { byList } from './by-list.js'
import { murmur3, rehash } from './hash.js'
import type { HashKey } from './hash-key.js'
import type { HashTable, TableBuilder } from './hash-table.js'
import { inSlices } from './slices.js'
import { Weights } from './weights.js'

/** Places that are looked at for one key. With a thirtieth of all endpoints at hand, one key in 30 million passes it. */
const MOST_STEPS = 512
/** Another one than the places' own: the keys of one level must not be those of one part of its ring. */
const LEVEL_SEED = 0x6c657665

/** ms after which weights are compared with those that the table was built of. */
const CHECK_EVERY = 1_000

type Pick = (endpoints: readonly Endpoint[], exchange: Exchange) => Endpoint | undefined

/** How keys came to their endpoints. */
export interface HashedPicks {
  /** To the one that is theirs. */
  readonly own: CounterCell
  /** Theirs was not among the candidates. */
  readonly absent: CounterCell
  /** Theirs, or the next one, was among them and at its bound. */
  readonly full: CounterCell
  /** There was no key. */
  readonly keyless: CounterCell
}

export interface HashedOptions {
  readonly service: ServiceHandle
  readonly clock: Clock
  readonly log: Logger
  readonly build: TableBuilder
  readonly key: HashKey
  /** An endpoint takes no more than this many times its share of what is under way; undefined: no bound. */
  readonly boundedLoad: number | undefined
  /** For requests without a key. */
  readonly otherwise: Pick
  readonly picks: HashedPicks
}

/**
 * The same endpoint for the same key. The table is built of all endpoints, and again only when URLs or weights change; of a
 * list that lacks some of them, the keys of those alone go elsewhere.
 */
export class Hashed {
  readonly #options: HashedOptions
  readonly #weigh = byList((endpoints) => new Weights(endpoints))
  readonly #hashOf: (endpoint: Endpoint) => number
  #table: HashTable | undefined
  /** Which of the table's endpoints may be picked, of each frozen list. */
  #pickable = pickableOf(undefined)
  /** What the table is of, or the one that is being built. */
  #source: readonly Endpoint[] | undefined
  #weights = new Float64Array()
  #building: Promise<void> | undefined
  #checkedAt: number
  #stopped = false

  constructor(options: HashedOptions) {
    this.#options = options
    this.#checkedAt = options.clock.now()
    this.#hashOf = options.service.keep('load-balancer hash', ({ url }) => murmur3(url, 0))
  }

  /** Resolves when the first table is there. */
  async start(): Promise<void> {
    this.#keepUp()
    await this.#building
  }

  stop(): void {
    this.#stopped = true
  }

  pick(endpoints: readonly Endpoint[], exchange: Exchange): Endpoint | undefined {
    const { key, otherwise, picks } = this.#options
    this.#keepUp()
    const value = key(exchange)
    if (value === undefined || value === '') {
      picks.keyless.inc()
      return otherwise(endpoints, exchange)
    }
    return endpoints.length < 2 ? endpoints[0] : this.#find(endpoints, murmur3(value, 0))
  }

  /** From 0 to less than 1, the same for the same key: what a level is drawn by, of which it would have an endpoint each. */
  part(exchange: Exchange): number | undefined {
    const value = this.#options.key(exchange)
    return value === undefined || value === '' ? undefined : murmur3(value, LEVEL_SEED) / 2 ** 32
  }

  #find(endpoints: readonly Endpoint[], hash: number): Endpoint | undefined {
    const { picks } = this.#options
    const table = this.#table
    const weights = this.#weigh(endpoints)
    if (table !== undefined) {
      const pickable = Object.isFrozen(endpoints) ? this.#pickable(endpoints) : undefined
      let place = table.find(hash)
      let full = false
      for (let step = 1; step <= MOST_STEPS; step++) {
        const owner = table.owner(place)
        const endpoint = table.endpoints[owner] as Endpoint
        if (pickable === undefined ? isPickable(endpoint, endpoints, weights) : pickable[owner] === 1) {
          if (this.#hasRoom(endpoint, weights, endpoints.length)) {
            if (step === 1) picks.own.inc()
            else if (full) picks.full.inc()
            else picks.absent.inc()
            return endpoint
          }
          full = true
        }
        place = table.next(place, hash, step)
      }
    }
    picks.absent.inc()
    return (
      this.#rendezvous(endpoints, weights, hash, true) ?? this.#rendezvous(endpoints, weights, hash, false)
    )
  }

  /**
   * Consistent hashing with bounded loads (Mirrokni, Thorup and Zadimoghaddam, 2018): with this attempt it has no more than
   * `ceil(c x (under way in all + 1) x weight / total weight)`.
   */
  #hasRoom({ inFlight, weight }: Endpoint, { equal, total }: Weights, count: number): boolean {
    const { boundedLoad, service } = this.#options
    if (boundedLoad === undefined) return true
    const due = boundedLoad * (service.inFlight + 1) * (equal ? 1 / count : weight / total)
    // Less a rounding error, which must not make a whole number one more.
    return inFlight < Math.ceil(due - 1e-9)
  }

  /**
   * Of few among many, or where there is no table yet: the highest random weight of all (Thaler and Ravishankar, 1998), which
   * takes a look at each and moves as little.
   */
  #rendezvous(
    endpoints: readonly Endpoint[],
    weights: Weights,
    hash: number,
    bounded: boolean
  ): Endpoint | undefined {
    let best: Endpoint | undefined
    let least = Number.POSITIVE_INFINITY
    for (const endpoint of endpoints) {
      if (endpoint.weight === 0 && weights.total > 0) continue
      if (bounded && !this.#hasRoom(endpoint, weights, endpoints.length)) continue
      const part = (rehash(hash ^ this.#hashOf(endpoint), 1) + 0.5) / 2 ** 32
      const score = -Math.log(part) / (weights.total > 0 ? endpoint.weight : 1)
      if (score < least) {
        best = endpoint
        least = score
      }
    }
    return best
  }

  /** Has the table built anew when what it was built of is no longer what there is. */
  #keepUp(): void {
    const { service, clock } = this.#options
    if (this.#building !== undefined) return
    if (service.endpoints === this.#source) {
      const now = clock.now()
      if (now - this.#checkedAt < CHECK_EVERY) return
      this.#checkedAt = now
      if (!this.#weighsOtherwise(service.endpoints)) return
    }
    this.#building = this.#build(service.endpoints).finally(() => {
      this.#building = undefined
    })
  }

  #weighsOtherwise(endpoints: readonly Endpoint[]): boolean {
    for (let at = 0; at < endpoints.length; at++)
      if ((endpoints[at] as Endpoint).weight !== this.#weights[at]) return true
    return false
  }

  async #build(endpoints: readonly Endpoint[]): Promise<void> {
    const { build, clock, log } = this.#options
    this.#source = endpoints
    this.#weights = Float64Array.from(endpoints, ({ weight }) => weight)
    try {
      const table = await inSlices(build(endpoints), clock, () => this.#stopped)
      if (this.#stopped) return
      this.#table = table
      this.#pickable = pickableOf(table)
    } catch (error) {
      log.error({ error }, 'the hash table could not be built; the one before stays')
    }
  }
}

/** A weight of 0 is picked when there is nothing else. */
function isPickable(endpoint: Endpoint, endpoints: readonly Endpoint[], { total }: Weights): boolean {
  return (endpoint.weight > 0 || total === 0) && endpoints.includes(endpoint)
}

function pickableOf(table: HashTable | undefined): (endpoints: readonly Endpoint[]) => Uint8Array {
  const numbers = new Map(table?.endpoints.map((endpoint, at) => [endpoint, at]))
  return byList((endpoints) => {
    const pickable = new Uint8Array(numbers.size)
    const weighed = endpoints.some(({ weight }) => weight > 0)
    for (const endpoint of endpoints) {
      const at = numbers.get(endpoint)
      if (at !== undefined && (endpoint.weight > 0 || !weighed)) pickable[at] = 1
    }
    return pickable
  })
}
