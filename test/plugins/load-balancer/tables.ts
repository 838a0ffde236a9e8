// Hash tables, built at once, and what becomes of keys.
import type { Endpoint } from '../../../core/index.js'
import { murmur3 } from '../../../plugins/load-balancer/hash.js'
import type { HashTable, TableBuilder } from '../../../plugins/load-balancer/hash-table.js'

export function built(build: TableBuilder, endpoints: readonly Endpoint[]): HashTable {
  const work = build(endpoints)
  for (;;) {
    const { done, value } = work.next()
    if (done !== true) continue
    if (value === undefined) throw new Error('there were no endpoints')
    return value
  }
}

const KEYS = Array.from({ length: 50_000 }, (_, at) => murmur3(`user-${at}`, 0))

/** The URL that each of 50,000 keys goes to, `lost` being out of reach. */
export function owners(table: HashTable, lost?: Endpoint): string[] {
  return KEYS.map((hash) => {
    let place = table.find(hash)
    for (let step = 1; step < 10_000; step++) {
      const endpoint = table.endpoints[table.owner(place)] as Endpoint
      if (endpoint !== lost) return endpoint.url
      place = table.next(place, hash, step)
    }
    throw new Error('nothing but the one that is lost')
  })
}

/** What part of the keys goes elsewhere. */
export function moved(before: readonly string[], after: readonly string[]): number {
  return before.filter((url, at) => url !== after[at]).length / before.length
}

/** What part of the keys each endpoint gets. */
export function shares(table: HashTable): number[] {
  const counts = new Map(table.endpoints.map(({ url }) => [url, 0]))
  for (const url of owners(table)) counts.set(url, (counts.get(url) ?? 0) + 1)
  return [...counts.values()].map((count) => count / KEYS.length)
}
