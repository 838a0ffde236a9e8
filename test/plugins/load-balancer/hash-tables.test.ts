import t from 'tap'
import type { Endpoint } from '../../../core/index.js'
import { Maglev } from '../../../plugins/load-balancer/maglev.js'
import { Ring } from '../../../plugins/load-balancer/ring.js'
import { endpoint, many } from './drawing.js'
import { built, moved, owners, shares } from './tables.js'

const tables = { 'ring-hash': Ring.build, maglev: Maglev.build }

for (const [name, build] of Object.entries(tables)) {
  t.test(`${name}: of three, each has a third of the keys, within 1%`, async (t) => {
    for (const hosts of [
      ['a', 'b', 'c'],
      ['10.0.0.1:80', '10.0.0.2:80', '10.0.0.3:80'],
      ['x1.shop', 'x2.shop', 'x3.shop']
    ]) {
      const found = shares(
        built(
          build,
          hosts.map((host) => endpoint(host))
        )
      )
      for (const share of found) t.ok(Math.abs(share - 1 / 3) < 0.01, `${hosts}: ${share}`)
    }
  })

  t.test(`${name}: weights are respected`, async (t) => {
    const found = shares(
      built(build, [endpoint('a', 1), endpoint('b', 3), endpoint('c', 0), endpoint('d', 0.5)])
    )
    const wanted = [1, 3, 0, 0.5].map((weight) => weight / 4.5)
    for (const [at, share] of found.entries())
      t.ok(Math.abs(share - (wanted[at] as number)) < 0.01, `${share}, ${wanted[at]} is due`)
    t.equal(found[2], 0, 'of weight 0 none')
    const even = shares(built(build, [endpoint('a', 0), endpoint('b', 0)]))
    for (const share of even) t.ok(Math.abs(share - 0.5) < 0.01, 'where all weights are 0 they are the same')
  })

  for (const count of [3, 100, 5000]) {
    t.test(`${name}: one of ${count} leaves, and at most 1/${count} + 1% of the keys move`, async (t) => {
      const list = many(count)
      const table = built(build, list)
      const before = owners(table)
      for (const at of [0, count >> 1, count - 1]) {
        const lost = list[at] as Endpoint
        const out = owners(table, lost)
        t.ok(
          before.every((url, at) => url === lost.url || url === out[at]),
          'out of reach: no other key moves'
        )
        t.ok(moved(before, out) <= 1 / count + 0.01, `out of reach: ${moved(before, out)}`)
        if (at !== count >> 1) continue
        const gone = owners(
          built(
            build,
            list.filter((one) => one !== lost)
          )
        )
        t.ok(moved(before, gone) <= 1 / count + 0.01, `taken off the list: ${moved(before, gone)}`)
      }
    })
  }

  t.test(`${name}: the keys of a lost one go to all the others`, async (t) => {
    const list = many(10)
    const table = built(build, list)
    const lost = list[4] as Endpoint
    const before = owners(table)
    const after = owners(table, lost)
    const heirs = list.filter((one) => one !== lost).map(({ url }) => url)
    const counts = heirs.map(
      (heir) => after.filter((url, at) => url === heir && before[at] === lost.url).length
    )
    t.equal(
      before.filter((url) => url === lost.url).length,
      counts.reduce((sum, count) => sum + count, 0)
    )
    const even = before.length / 10 / 9
    for (const count of counts) t.ok(Math.abs(count - even) < even / 4, `${count} of some ${even}`)
  })

  t.test(`${name}: the order of the list changes nothing`, async (t) => {
    const list = many(50, (at) => 1 + (at % 3))
    const other = [...list].sort((a, b) => (a.url < b.url ? 1 : -1)).reverse()
    other.push(...other.splice(0, 20))
    t.equal(moved(owners(built(build, list)), owners(built(build, other))), 0)
  })

  t.test(`${name}: nothing of nothing, one of one`, async (t) => {
    t.same(build([]).next(), { done: true, value: undefined })
    t.same(shares(built(build, [endpoint('a')])), [1])
    t.same(shares(built(build, [endpoint('a', 0)])), [1])
  })

  t.test(`${name}: pauses often`, async (t) => {
    let pauses = 0
    for (const _ of { [Symbol.iterator]: () => build(many(1000)) }) pauses++
    t.ok(pauses > 50, `${pauses} times`)
  })
}
