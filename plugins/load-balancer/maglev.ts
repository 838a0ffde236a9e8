import type { Endpoint } from '../../core/index.js'
import { type Identity, identify, rehash } from './hash.js'
import { type HashTable, relativeWeights } from './hash-table.js'

/** A prime, as the paper's and Envoy's tables have it. */
const SIZE = 65_537
/** Steps between two pauses. */
const STEPS = 1024
const EMPTY = -1

/**
 * Maglev's table (Eisenbud et al., "Maglev: a fast and reliable software network load balancer", NSDI 2016, section 3.4):
 * endpoints in turn take the next free place of a permutation of their own, one of lesser weight less often (as Envoy
 * does it). It is smaller than a ring and spreads keys more evenly; when the list itself changes it moves a few keys more.
 *
 * An endpoint that cannot be had leaves the table as it is: its keys go on to their own next hash, and no other key moves.
 */
export class Maglev implements HashTable {
  readonly endpoints: readonly Endpoint[]
  readonly #owners: Int32Array

  private constructor(endpoints: readonly Endpoint[], owners: Int32Array) {
    this.endpoints = endpoints
    this.#owners = owners
  }

  find(hash: number): number {
    return hash % SIZE
  }

  next(_place: number, hash: number, step: number): number {
    return rehash(hash, step) % SIZE
  }

  owner(place: number): number {
    return this.#owners[place] as number
  }

  static *build(endpoints: readonly Endpoint[]): Generator<void, Maglev | undefined> {
    if (endpoints.length === 0) return undefined
    const weights = relativeWeights(endpoints)
    const turns = turnsOf(endpoints.map(({ url }) => identify(url))).filter(
      ({ at }) => (weights[at] as number) > 0
    )
    const due = new Float64Array(turns.length)
    const owners = new Int32Array(SIZE).fill(EMPTY)
    let steps = 0
    let filled = 0
    for (let round = 1; ; round++) {
      for (let i = 0; i < turns.length; i++) {
        const turn = turns[i] as Turn
        if (++steps % STEPS === 0) yield
        if (round * (weights[turn.at] as number) < (due[i] as number)) continue
        due[i] = (due[i] as number) + 1
        while (owners[turn.place] !== EMPTY) {
          turn.place = (turn.place + turn.skip) % SIZE
          if (++steps % STEPS === 0) yield
        }
        owners[turn.place] = turn.at
        if (++filled === SIZE) return new Maglev(endpoints, owners)
      }
    }
  }
}

/** Where an endpoint is on its walk through the table. */
interface Turn {
  /** Its number in the list. */
  readonly at: number
  readonly skip: number
  place: number
}

/** In the order of their hashes: whose turn comes first must not depend on how a list is written. */
function turnsOf(identities: readonly Identity[]): Turn[] {
  const turns = identities.map(({ one, two }, at) => ({
    at,
    one,
    place: one % SIZE,
    skip: (two % (SIZE - 1)) + 1
  }))
  return turns.sort((a, b) => a.one - b.one)
}
