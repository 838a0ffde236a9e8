import t from 'tap'
import type { Endpoint } from '../../../core/index.js'
import { VirtualClock } from '../../../core/testing/index.js'
import { endpoint, fits, type Mutable, many, tally } from './drawing.js'
import { asked, setStage } from './stage.js'

const byUser = (user: number | string) => asked({ 'x-user': `${user}` })

for (const policy of ['ring-hash', 'maglev']) {
  const config = { policy, hashOn: { header: 'x-user' } }

  t.test(`${policy}: a key keeps its endpoint`, async (t) => {
    const list = Object.freeze(many(5))
    const stage = await setStage(config, list)
    const again = await setStage(config, [...list].reverse())
    const users = Array.from({ length: 200 }, (_, user) => user)
    const picked = users.map((user) => stage.pick(list, byUser(user)))
    t.ok(users.every((user) => stage.pick(list, byUser(user)) === picked[user]))
    t.ok(
      users.every((user) => again.pick(list, byUser(user)) === picked[user]),
      'in another proxy too'
    )
    t.equal(stage.counters.get('outrigger_hash_picks_total,shop,own'), 400)
  })

  t.test(`${policy}: only the keys of an endpoint that is out move, and come back with it`, async (t) => {
    const list = Object.freeze(many(8))
    const stage = await setStage(config, list)
    const out = list[3] as Endpoint
    const without = list.filter((one) => one !== out)
    const frozen = Object.freeze([...without])
    for (let user = 0; user < 400; user++) {
      const before = stage.pick(list, byUser(user))
      const during = stage.pick(frozen, byUser(user))
      if (stage.pick(without, byUser(user)) !== during) t.fail('a list that is not kept gives another one')
      if (during !== before && before !== out) t.fail('a key moved though its endpoint is there')
      if (during === out) t.fail('it is out')
      if (stage.pick(list, byUser(user)) !== before) t.fail('it is back, and its key is not')
    }
    t.ok((stage.counters.get('outrigger_hash_picks_total,shop,absent') ?? 0) > 20)
  })

  t.test(`${policy}: a few of many`, async (t) => {
    const list = Object.freeze(many(2000))
    const stage = await setStage(config, list)
    const few = Object.freeze(list.slice(100, 104))
    const fewer = Object.freeze(few.slice(1))
    const keys = Array.from({ length: 4000 }, (_, user) => byUser(user))
    let next = 0
    const counts = tally(4000, few, (each) => stage.pick(each, keys[next++]))
    fits(t, counts, [1, 1, 1, 1], 'evenly')
    for (const key of keys.slice(0, 500)) {
      const before = stage.pick(few, key)
      if (before !== few[0] && stage.pick(fewer, key) !== before)
        t.fail('a key moved though its endpoint is there')
    }
  })

  t.test(`${policy}: weight 0 is passed by at once`, async (t) => {
    const list = many(3)
    const all = Object.freeze([...list])
    const stage = await setStage(config, all)
    ;(list[0] as Mutable).weight = 0
    const since = Object.freeze([...list])
    const users = Array.from({ length: 100 }, (_, user) => byUser(user))
    t.ok(users.every((user) => stage.pick(since, user) !== list[0]))
    t.ok(users.every((user) => stage.pick(list, user) !== list[0]))
    for (const one of list) one.weight = 0
    const nothing = Object.freeze([...list])
    t.ok(stage.pick(nothing, byUser(1)), 'unless there is nothing else')
  })

  t.test(`${policy}: new endpoints and new weights come into the table`, async (t) => {
    const list = many(4)
    const [a, b, c, d] = list as [Mutable, Mutable, Mutable, Mutable]
    const stage = await setStage(config, [a, b, c])
    stage.service.endpoints = Object.freeze([a, b, c, d])
    const all = Object.freeze([a, b, c, d])
    stage.pick(all, byUser(0))
    await new Promise(setImmediate)
    const keys = Array.from({ length: 4000 }, (_, user) => byUser(user))
    const counted = () => {
      let next = 0
      return tally(4000, all, (each) => stage.pick(each, keys[next++]))
    }
    const before = counted()
    t.ok(Math.min(...before) > 850, `${before}`)
    d.weight = 3
    await stage.clock.advance(1000)
    stage.pick(all, byUser(0))
    await new Promise(setImmediate)
    const after = counted()
    t.ok((after[3] as number) > 1800 && (after[3] as number) < 2200, `${after}: half of them`)
  })

  t.test(`${policy}: no endpoints at first`, async (t) => {
    const list = Object.freeze(many(4))
    const stage = await setStage(config, [])
    t.equal(stage.pick([], byUser(1)), undefined)
    stage.service.endpoints = list
    t.ok(list.includes(stage.pick(list, byUser(1)) as Mutable))
  })

  t.test(`${policy}: without a key at random`, async (t) => {
    const list = Object.freeze(many(4))
    const stage = await setStage(config, list)
    fits(
      t,
      tally(4000, list, (each) => stage.pick(each, asked({}))),
      [1, 1, 1, 1],
      'no header'
    )
    fits(
      t,
      tally(4000, list, (each) => stage.pick(each, byUser(''))),
      [1, 1, 1, 1],
      'an empty one'
    )
    t.equal(stage.counters.get('outrigger_hash_picks_total,shop,keyless'), 8000)
  })

  t.test(`${policy}: bounded load`, async (t) => {
    for (const weighted of [false, true]) {
      const list = Object.freeze(many(10, (at) => (weighted ? 1 + (at % 3) : 1)))
      const total = list.reduce((sum, { weight }) => sum + weight, 0)
      const stage = await setStage({ ...config, boundedLoad: 1.25 }, list)
      const unbounded = await setStage(config, list)
      let passed = 0
      let hottest = 0
      for (let under = 0; under < 2000; under++) {
        // Half of all requests are one user's.
        const key = byUser(under % 2 === 0 ? 'hot' : under)
        const picked = stage.pick(list, key) as Mutable
        if (picked === unbounded.pick(list, key)) hottest = Math.max(hottest, picked.inFlight)
        else passed++
        const bound = Math.ceil((1.25 * (under + 1) * picked.weight) / total)
        if (picked.inFlight + 1 > bound) t.fail(`${picked.inFlight + 1} under way, ${bound} are allowed`)
        picked.inFlight++
        stage.service.inFlight++
      }
      t.ok(passed > 500, `${passed} went on to another one`)
      t.ok((stage.counters.get('outrigger_hash_picks_total,shop,full') ?? 0) > 500)
      for (const one of list) one.inFlight = 0
    }
  })

  t.test(`${policy}: bounded load leaves keys alone while nothing is crowded`, async (t) => {
    const list = Object.freeze(many(10))
    const stage = await setStage({ ...config, boundedLoad: 1.25 }, list)
    const unbounded = await setStage(config, list)
    const users = Array.from({ length: 300 }, (_, user) => byUser(user))
    t.ok(users.every((user) => stage.pick(list, user) === unbounded.pick(list, user)))
  })
}

t.test('what is hashed', async (t) => {
  const list = Object.freeze(many(20))
  const cases: [object, (value: string) => ReturnType<typeof asked>][] = [
    [{ header: 'x-user' }, (value) => asked({ 'x-user': value })],
    [{ cookie: 'user' }, (value) => asked({ cookie: `a=b; user=${value}` })],
    [{ query: 'user' }, (value) => asked({}, { query: `?a=b&user=${value}` })],
    [{ path: true }, (value) => asked({}, { path: `/orders/${value}` })],
    [{ address: true }, (value) => asked({}, { address: `10.0.0.${value}` })]
  ]
  for (const [hashOn, ask] of cases) {
    const stage = await setStage({ policy: 'maglev', hashOn }, list)
    const used = new Set<Endpoint | undefined>()
    for (let value = 0; value < 100; value++) {
      const picked = stage.pick(list, ask(`${value}`))
      used.add(picked)
      if (stage.pick(list, ask(`${value}`)) !== picked) t.fail(`${value} does not keep its endpoint`)
    }
    t.ok(used.size > 15, `${JSON.stringify(hashOn)}: ${used.size} of 20`)
  }
})

t.test('a table is built in slices, and a set-up that is given up stops it', async (t) => {
  const list = many(5000)
  let now = 0
  class Ticking extends VirtualClock {
    override now() {
      return (now += 0.1)
    }
  }
  let turns = 0
  let ready = false
  const turn = () => {
    turns++
    if (!ready) setImmediate(turn)
  }
  setImmediate(turn)
  const stage = await setStage({ policy: 'ring-hash', hashOn: { path: true } }, list, {
    clock: new Ticking()
  })
  ready = true
  t.ok(turns > 100, `others had ${turns} turns meanwhile`)
  const frozen = Object.freeze([...list, endpoint('new')])
  stage.service.endpoints = frozen
  stage.pick(frozen, asked({}))
  stage.close()
  await new Promise(setImmediate)
  t.ok(
    list.includes(stage.pick(frozen, asked({}, { path: '/1' })) as Mutable),
    'the table before still serves'
  )
})
