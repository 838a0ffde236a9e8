// What an adaptive limit promises, by simulation: seeded, on a clock of its own.
import t from 'tap'
import { type Scenario, ServiceModel } from './service-model.js'

const ADAPTIVE = { min: 3, max: 1_000, buffer: 0.25, interval: 30_000 }
/** 20 ms each: of so many workers each does 50 a second. */
const CAPACITY_OF_ONE = 50

type Work = Scenario['work']

const works: Record<string, Work> = {
  'of one length': () => 20,
  'of lengths between 10 and 30 ms': (random) => 10 + 20 * random(),
  'of exponential lengths': (random) => -20 * Math.log(1 - random()),
  'of log-normal lengths': (random) =>
    20 * Math.exp(Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random()) - 0.5),
  'of two kinds, 2 and 47 ms': (random) => (random() < 0.6 ? 2 : 47)
}

/** Its latencies at 70% load, unlimited. */
function normal(workers: number, work: Work) {
  return new ServiceModel({ workers, work, arrivals: () => 0.7 * workers * CAPACITY_OF_ONE }).run(15_000)
}

for (const [name, work] of Object.entries(works)) {
  t.test(
    `triple overload, work ${name}: goodput over 90% of capacity, p99 within 3 times normal`,
    async (t) => {
      for (const workers of name === 'of one length' ? [10, 20] : [10]) {
        const capacity = workers * CAPACITY_OF_ONE
        const usual = await normal(workers, work)
        const model = new ServiceModel({
          workers,
          work,
          limit: ADAPTIVE,
          arrivals: (now) => (now < 10_000 ? 0.7 : 3) * capacity
        })
        const before = await model.run(10_000)
        t.ok(before.refused < 0.01, `${workers} workers: at 70% load ${before.refused * 100}% are refused`)
        const storm = await model.run(40_000)
        t.ok(storm.goodput >= 0.9 * capacity, `${storm.goodput} a second of ${capacity}`)
        t.ok(storm.p99 <= 3 * usual.p99, `p99 ${storm.p99} ms, normally ${usual.p99}`)
      }
    }
  )
}

t.test('without a limit it collapses: clients that wait a second get next to nothing', async (t) => {
  const work = () => 20
  const arrivals = () => 1_500
  const scenario = { workers: 10, work, arrivals, patience: 1_000 }
  const bare = new ServiceModel(scenario)
  await bare.run(5_000)
  t.equal((await bare.run(10_000)).goodput, 0)
  const limited = new ServiceModel({ ...scenario, limit: ADAPTIVE })
  await limited.run(5_000)
  t.ok((await limited.run(10_000)).goodput > 450)
})

t.test('overloaded from the first request on, it finds the unloaded latency within seconds', async (t) => {
  for (const workers of [2, 10]) {
    const model = new ServiceModel({
      workers,
      work: () => 20,
      arrivals: () => 150 * workers,
      limit: ADAPTIVE
    })
    await model.run(10_000)
    const after = await model.run(20_000)
    t.ok(after.limit <= 2.5 * workers + 1, `${workers} workers: a limit of ${after.limit}`)
    t.ok(after.goodput >= 0.9 * workers * CAPACITY_OF_ONE, `${after.goodput} a second`)
  }
})

t.test('a service that becomes twice as slow under load is measured anew', async (t) => {
  const model = new ServiceModel({
    workers: 10,
    work: (_random, now) => (now < 20_000 ? 20 : 40),
    arrivals: () => 1_500,
    limit: ADAPTIVE
  })
  t.ok((await model.run(20_000)).goodput > 450)
  // Until the next measurement the limit is too low for it: a third of the new capacity may be lost.
  t.ok((await model.run(35_000)).goodput > 0.6 * 250)
  t.ok((await model.run(20_000)).goodput > 0.9 * 250)
})

t.test('one that becomes twice as fast, or larger, is used', async (t) => {
  const model = new ServiceModel({
    workers: 10,
    work: (_random, now) => (now < 20_000 ? 40 : 20),
    arrivals: () => 1_500,
    limit: ADAPTIVE
  })
  await model.run(20_000)
  t.ok((await model.run(40_000)).goodput > 450)
})

t.test('a fixed limit and a queue hold what they say', async (t) => {
  const model = new ServiceModel({ workers: 10, work: () => 20, arrivals: () => 1_500, limit: 10, queue: 20 })
  const storm = await model.run(15_000)
  t.equal(storm.limit, 10)
  t.ok(storm.goodput > 495, `${storm.goodput}`)
  t.ok(Math.abs(storm.p50 - 60) < 3, `20 ms of work and 20 others' turns before: ${storm.p50}`)
})
