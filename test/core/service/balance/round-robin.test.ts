import t from 'tap'
import type { Endpoint } from '../../../../core/hooks/types.js'
import { RoundRobin } from '../../../../core/service/balance/round-robin.js'

function endpoint(name: string, weight = 1): Endpoint {
  return {
    url: `http://${name}`,
    service: 'shop',
    weight,
    zone: undefined,
    priority: 0,
    tags: {},
    healthy: true,
    ejectedUntil: 0,
    breaker: 'closed',
    availableSince: 0,
    inFlight: 0,
    latency: undefined
  }
}

/** The letters of `picks` picks, each from the list that `list` gives. */
function picks(balance: RoundRobin, count: number, list: (turn: number) => readonly Endpoint[]): string {
  let letters = ''
  for (let turn = 0; turn < count; turn++)
    letters += balance.pick(list(turn))?.url.slice('http://'.length) ?? '-'
  return letters
}

function tally(letters: string): Record<string, number> {
  const counts: Record<string, number> = {}
  for (const letter of letters) counts[letter] = (counts[letter] ?? 0) + 1
  return counts
}

const without = (list: readonly Endpoint[], out: Endpoint | undefined) => list.filter((one) => one !== out)

t.test('nothing to pick from, and one alone', async (t) => {
  const balance = new RoundRobin()
  const a = endpoint('a', 0)
  t.equal(balance.pick([]), undefined)
  t.equal(balance.pick([a]), a, 'even with weight 0')
})

t.test('equal weights are walked in strict order', async (t) => {
  for (const weight of [1, 5, 0.1, 0]) {
    const list = Object.freeze([endpoint('a', weight), endpoint('b', weight), endpoint('c', weight)])
    const letters = picks(new RoundRobin(), 300, () => list)
    t.equal(letters, 'abc'.repeat(100), `weight ${weight}`)
  }
})

t.test('a list that is a new object each time is walked as evenly', async (t) => {
  const list = [endpoint('a'), endpoint('b'), endpoint('c')]
  t.equal(
    picks(new RoundRobin(), 300, () => [...list]),
    'abc'.repeat(100)
  )
})

t.test('weights are exact over every round, and spread out', async (t) => {
  const list = Object.freeze([endpoint('a', 1), endpoint('b', 3)])
  const letters = picks(new RoundRobin(), 400, () => list)
  for (let at = 0; at < 400; at += 4) t.same(tally(letters.slice(at, at + 4)), { a: 1, b: 3 })

  const nginx = Object.freeze([endpoint('a', 5), endpoint('b', 1), endpoint('c', 1)])
  t.equal(
    picks(new RoundRobin(), 7, () => nginx),
    'aabacaa',
    "the order of nginx's own example"
  )
})

t.test('weights are exact over a million picks, though they are thirds and tenths', async (t) => {
  const list = Object.freeze([endpoint('a', 0.1), endpoint('b', 0.2), endpoint('c', 0.3), endpoint('d', 0.3)])
  t.same(tally(picks(new RoundRobin(), 900_000, () => list)), {
    a: 100_000,
    b: 200_000,
    c: 300_000,
    d: 300_000
  })
})

t.test('weight 0 is picked when nothing else is there', async (t) => {
  const [a, b, c] = [endpoint('a', 0), endpoint('b', 0), endpoint('c', 2)]
  const balance = new RoundRobin()
  const all = Object.freeze([a, b, c])
  t.equal(
    picks(balance, 10, () => all),
    'c'.repeat(10)
  )
  t.same(tally(picks(balance, 10, () => [a, b])), { a: 5, b: 5 })

  balance.pick([a, b])
  const [d, e] = [endpoint('d'), endpoint('e')]
  t.same(
    tally(picks(balance, 10, () => [b, d, e])),
    { d: 5, e: 5 },
    'what b is owed from then does not count'
  )
})

t.test('retries shift nothing of what first attempts get', async (t) => {
  const list = Object.freeze([endpoint('a'), endpoint('b')])
  const balance = new RoundRobin()
  let first = ''
  for (let turn = 0; turn < 100; turn++) {
    const tried = balance.pick(list)
    first += tried?.url.at(-1)
    if (tried?.url === 'http://b') t.equal(balance.pick(without(list, tried))?.url, 'http://a')
  }
  t.equal(first, 'ab'.repeat(50), 'a failing one of two is not the first choice each time')
})

t.test('what a failing endpoint leaves is shared evenly by the others', async (t) => {
  const list = Object.freeze([endpoint('a'), endpoint('b'), endpoint('c'), endpoint('d')])
  for (const failing of ['a', 'ab', 'ac', 'abd']) {
    const balance = new RoundRobin()
    let first = ''
    let again = ''
    for (let turn = 0; turn < 1200; turn++) {
      let candidates: readonly Endpoint[] = list
      let picked = balance.pick(candidates)
      first += picked?.url.at(-1)
      while (picked !== undefined && failing.includes(picked.url.at(-1) as string)) {
        candidates = without(candidates, picked)
        picked = balance.pick(candidates)
        again += picked?.url.at(-1)
      }
    }
    t.equal(first, 'abcd'.repeat(300), `first attempts while ${failing} fails`)
    const healthy = [...'abcd'].filter((letter) => !failing.includes(letter))
    const counts = healthy.map((letter) => tally(again)[letter] ?? 0)
    t.ok(Math.max(...counts) - Math.min(...counts) <= 2, `repeats while ${failing} fails: ${counts}`)
  }
})

t.test('weights hold while lists overlap and change with every pick', async (t) => {
  const all = [endpoint('a', 1), endpoint('b', 2), endpoint('c', 3), endpoint('d', 4)]
  const balance = new RoundRobin()
  const due = new Map(all.map((one) => [one, 0]))
  const got = new Map(all.map((one) => [one, 0]))
  let seed = 7
  for (let turn = 0; turn < 20_000; turn++) {
    seed = (seed * 1103515245 + 12345) % 2 ** 31
    const bits = (seed >>> 12) & 15
    const list = all.filter((_, at) => (bits >> at) & 1)
    const picked = balance.pick(list)
    if (picked === undefined || list.length === 1) continue
    const total = list.reduce((sum, one) => sum + one.weight, 0)
    for (const one of list) due.set(one, (due.get(one) ?? 0) + one.weight / total)
    got.set(picked, (got.get(picked) ?? 0) + 1)
  }
  for (const one of all)
    t.ok(Math.abs((due.get(one) ?? 0) - (got.get(one) ?? 0)) < 4, `${one.url} got its due`)
})

t.test('lists that take turns keep a place each', async (t) => {
  const [a, b, c, d] = [endpoint('a'), endpoint('b'), endpoint('c'), endpoint('d')]
  const one = Object.freeze([a, b, c])
  const two = Object.freeze([c, d])
  const letters = picks(new RoundRobin(), 1200, (turn) => (turn % 2 === 0 ? one : two))
  const ofOne = [...letters].filter((_, turn) => turn % 2 === 0).join('')
  const ofTwo = [...letters].filter((_, turn) => turn % 2 === 1).join('')
  t.same(tally(ofOne), { a: 200, b: 200, c: 200 })
  const counts = tally(ofTwo)
  t.ok(Math.abs((counts.c ?? 0) - (counts.d ?? 0)) <= 2, 'and the shorter one is even too')
})

t.test('an endpoint that was away comes back without a burst', async (t) => {
  const [a, b, c] = [endpoint('a'), endpoint('b'), endpoint('c')]
  const all = Object.freeze([a, b, c])
  const ejected = Object.freeze([a, b])
  const back = Object.freeze([a, b, c])
  const balance = new RoundRobin()
  picks(balance, 10, () => all)
  t.same(tally(picks(balance, 1000, () => ejected)), { a: 500, b: 500 })
  t.same(tally(picks(balance, 30, () => back)), { a: 10, b: 10, c: 10 })
})

t.test('a list that changes all the time does not favour its first', async (t) => {
  const all = [endpoint('a'), endpoint('b'), endpoint('c')]
  const balance = new RoundRobin()
  let list: readonly Endpoint[] = all
  const letters = picks(balance, 3000, (turn) => {
    if (turn % 4 === 0) list = Object.freeze([...all])
    return list
  })
  const counts = tally(letters)
  t.ok(Math.max(...Object.values(counts)) - Math.min(...Object.values(counts)) <= 6, JSON.stringify(counts))
})

t.test('a list that is not frozen is looked at anew, weights too', async (t) => {
  const a = endpoint('a')
  const list = [a, endpoint('b')]
  const balance = new RoundRobin()
  t.equal(
    picks(balance, 4, () => list),
    'abab'
  )
  list[0] = { ...a, weight: 3 }
  t.same(tally(picks(balance, 400, () => list)), { a: 300, b: 100 })
  list.push(endpoint('c', 4))
  t.same(tally(picks(balance, 800, () => list)), { a: 300, b: 100, c: 400 })
})

/** More than are looked through at each pick. */
function long(count: number, weight: (at: number) => number): Endpoint[] {
  return Array.from({ length: count }, (_, at) => endpoint(`e${at}`, weight(at)))
}

function counted(balance: RoundRobin, count: number, list: readonly Endpoint[]): number[] {
  const counts = new Map(list.map((one) => [one, 0]))
  for (let turn = 0; turn < count; turn++) {
    const picked = balance.pick(list) as Endpoint
    counts.set(picked, (counts.get(picked) as number) + 1)
  }
  return [...counts.values()]
}

t.test('a long list of equal weights is walked in strict order', async (t) => {
  const list = Object.freeze(long(1000, () => 2))
  const balance = new RoundRobin()
  const order = list.map(() => balance.pick(list))
  t.ok(order.every((one, at) => one === list[at]))
})

t.test('of a long list too, weights are exact over every round', async (t) => {
  const list = Object.freeze(long(200, (at) => at % 7))
  const total = list.reduce((sum, { weight }) => sum + weight, 0)
  const balance = new RoundRobin()
  const weights = list.map(({ weight }) => weight)
  for (let round = 0; round < 20; round++) t.same(counted(balance, total, list), weights)
})

t.test('of a long list too, picks are spread out', async (t) => {
  const list = Object.freeze(long(100, (at) => (at === 50 ? 100 : 1)))
  const balance = new RoundRobin()
  const turns: number[] = []
  for (let turn = 0; turn < 1990; turn++) if (balance.pick(list) === list[50]) turns.push(turn)
  const gaps = turns.slice(1).map((turn, at) => turn - (turns[at] as number))
  t.equal(turns.length, 1000)
  t.ok(
    Math.max(...gaps.slice(100)) <= 4,
    `every other pick: the longest wait was ${Math.max(...gaps.slice(100))}`
  )
})

t.test('fractions add up over many rounds', async (t) => {
  const list = Object.freeze(long(70, (at) => (at < 35 ? 0.1 : 0.3)))
  const counts = counted(new RoundRobin(), 1_400_000, list)
  for (const [at, count] of counts.entries()) {
    const due = at < 35 ? 10_000 : 30_000
    if (Math.abs(count - due) > 1) t.fail(`${at}: ${count}, ${due} are due`)
  }
})

t.test('a long list that changes all the time favours nobody', async (t) => {
  const all = long(100, (at) => (at === 0 ? 10 : 1))
  const balance = new RoundRobin()
  let list: readonly Endpoint[] = all
  const got = new Map(all.map((one) => [one, 0]))
  const rounds = 200
  for (let turn = 0; turn < 109 * rounds; turn++) {
    if (turn % 5 === 0) list = Object.freeze([...all])
    const picked = balance.pick(list) as Endpoint
    got.set(picked, (got.get(picked) as number) + 1)
  }
  for (const one of all) {
    const count = got.get(one) as number
    if (Math.abs(count - one.weight * rounds) > 2) t.fail(`${one.url} got ${count} of ${one.weight * rounds}`)
  }
})

t.test('a long list, and retries from what is left of it', async (t) => {
  const all = Object.freeze(long(100, (at) => 1 + (at % 3)))
  const total = all.reduce((sum, { weight }) => sum + weight, 0)
  const balance = new RoundRobin()
  const first = new Map(all.map((one) => [one, 0]))
  for (let turn = 0; turn < total * 10; turn++) {
    const picked = balance.pick(all) as Endpoint
    first.set(picked, (first.get(picked) as number) + 1)
    if (picked === all[7]) t.not(balance.pick(without(all, picked)), picked)
  }
  for (const one of all) if (first.get(one) !== one.weight * 10) t.fail(`${one.url} got ${first.get(one)}`)
})

t.test('each long list of equal weights begins elsewhere', async (t) => {
  const balance = new RoundRobin()
  const places = Array.from({ length: 8 }, () => {
    const list = Object.freeze(long(1000, () => 1))
    return list.indexOf(balance.pick(list) as Endpoint)
  })
  places.sort((a, b) => a - b)
  const apart = places.map((place, at) => place - (places[at - 1] ?? 0)).slice(1)
  t.ok(
    apart.every((distance) => distance > 50),
    `they are spread out: ${places}`
  )
})
