import type { Endpoint } from '../../hooks/types.js'
import { Schedule } from './schedule.js'

/** Credits this close are the same: sums of thirds must not decide who is first. */
const ROUNDING = 1e-9
/** Lists up to this long are looked through, where weights differ; of longer ones a schedule is kept. */
const SHORT = 64
/** Multiples of it, less their whole parts, spread evenly over 0 to 1 however many there are. */
const GOLDEN = (Math.sqrt(5) - 1) / 2

/** What an endpoint is owed: the picks that were its due less those it got. Greater than -1. */
interface Account {
  credit: number
  /** From 0 to 1: how much sooner it is due in a schedule, where thousands of the same weight would else be due at once. */
  readonly phase: number
  /** Where it is kept instead, and at which place, for as long as it is in the schedule of a long list. */
  schedule: Schedule | undefined
  at: number
}

/** What is remembered of a list that stays. */
interface Rotation {
  /** The accounts of the list's endpoints; undefined when all weights are the same and none is needed. */
  readonly accounts: readonly Account[] | undefined
  readonly schedule: Schedule | undefined
  next: number
}

/**
 * The pick when no plugin picks: round robin, one per service.
 *
 * With equal weights a list is walked in strict order, and each list has a place of its own, so that a retry (which
 * picks from a shorter list) does not shift what first attempts get. All else is smooth weighted round robin (nginx
 * `ngx_http_upstream_get_peer`): of weights 1 and 3, every 4 picks are 1 and 3, spread out.
 *
 * An account is the endpoint's and not a list's, and counts in picks: each pick from a list owes every member of it
 * `weight / total`. Lists may therefore overlap and change with every pick, and all the same each endpoint gets its
 * due, within a bound (the carpool problem of Fagin and Williams, greedily solved). Of more than 64 with equal weights none
 * is kept: a new list's walk begins somewhere.
 *
 * A frozen list is taken to stay as it is, weights too, and is walked at O(1) where they are equal; where they differ, one of
 * more than 64 has a schedule, and a pick from it costs O(log n). Any other is looked through at each pick. A weight of 0
 * is picked when all others on the list are 0 too.
 */
export class RoundRobin {
  readonly #accounts = new WeakMap<Endpoint, Account>()
  #phase = 0
  readonly #rotations = new WeakMap<readonly Endpoint[], Rotation>()
  /** The list of the last rotation, which spares most picks the map. */
  #list: readonly Endpoint[] | undefined
  #rotation: Rotation | undefined

  /** @returns undefined for an empty list */
  pick(endpoints: readonly Endpoint[]): Endpoint | undefined {
    const count = endpoints.length
    if (count < 2) return endpoints[0]
    const rotation = endpoints === this.#list ? this.#rotation : this.#find(endpoints)
    if (rotation?.schedule !== undefined) return rotation.schedule.pick()
    if (rotation === undefined || rotation.accounts !== undefined) {
      return endpoints[this.#smooth(endpoints, rotation?.accounts)]
    }
    const at = rotation.next
    rotation.next = at + 1 === count ? 0 : at + 1
    return endpoints[at]
  }

  #find(endpoints: readonly Endpoint[]): Rotation | undefined {
    let rotation = this.#rotations.get(endpoints)
    if (rotation === undefined) {
      if (!Object.isFrozen(endpoints)) return undefined
      this.#rotations.set(endpoints, (rotation = this.#rotate(endpoints)))
    }
    this.#list = endpoints
    this.#rotation = rotation
    return rotation
  }

  #rotate(endpoints: readonly Endpoint[]): Rotation {
    if (endpoints.every((endpoint) => endpoint.weight === endpoints[0]?.weight)) {
      // Not at the first: where lists change often, it would be picked more than the others.
      const next =
        endpoints.length <= SHORT ? this.#smooth(endpoints, undefined) : this.#somewhere(endpoints.length)
      return { accounts: undefined, schedule: undefined, next }
    }
    if (endpoints.length <= SHORT) {
      const accounts = endpoints.map((endpoint) => this.#account(endpoint))
      return { accounts, schedule: undefined, next: 0 }
    }
    const schedule = new Schedule(endpoints, (endpoint) => {
      const account = this.#account(endpoint)
      return creditOf(account) + account.phase
    })
    for (let at = 0; at < endpoints.length; at++) {
      const account = this.#account(endpoints[at] as Endpoint)
      account.schedule = schedule
      account.at = at
    }
    return { accounts: undefined, schedule, next: 0 }
  }

  /** Spread evenly over the lists: thousands of accounts for each new one would be milliseconds in one go. */
  #somewhere(count: number): number {
    const at = Math.floor(this.#phase * count)
    this.#phase = (this.#phase + GOLDEN) % 1
    return at
  }

  #smooth(endpoints: readonly Endpoint[], accounts: readonly Account[] | undefined): number {
    let total = 0
    for (const { weight } of endpoints) total += weight
    let best: Account | undefined
    let bestAt = 0
    for (let at = 0; at < endpoints.length; at++) {
      const endpoint = endpoints[at] as Endpoint
      const due = total > 0 ? endpoint.weight / total : 1 / endpoints.length
      if (due === 0) continue
      const account = accounts?.[at] ?? this.#account(endpoint)
      if (account.schedule !== undefined) {
        account.credit = creditOf(account)
        account.schedule = undefined
      }
      account.credit += due
      if (best === undefined || account.credit > best.credit + ROUNDING) {
        best = account
        bestAt = at
      }
    }
    if (best !== undefined) best.credit -= 1
    return bestAt
  }

  #account(endpoint: Endpoint): Account {
    let account = this.#accounts.get(endpoint)
    if (account !== undefined) return account
    this.#phase = (this.#phase + GOLDEN) % 1
    account = { credit: 0, phase: this.#phase, schedule: undefined, at: 0 }
    this.#accounts.set(endpoint, account)
    return account
  }
}

function creditOf({ credit, phase, schedule, at }: Account): number {
  return schedule === undefined ? credit : schedule.credit(at) - phase
}
