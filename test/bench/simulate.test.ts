import { spawnSync } from 'node:child_process'
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { basename, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t, { type Test } from 'tap'
import { barChart, type LineChart, lineChart } from '../../bench/plot.js'
import { Arrivals } from '../../bench/simulate/arrivals.js'
import { constant, exponential, lognormal, mixture } from '../../bench/simulate/distribution.js'
import { EventClock, Happening } from '../../bench/simulate/event-clock.js'
import { Histogram } from '../../bench/simulate/histogram.js'
import { stream } from '../../bench/simulate/random.js'
import { hedging } from '../../bench/simulate/scenarios/hedging.js'
import { scenarios } from '../../bench/simulate/scenarios/index.js'
import { type Simulation, simulate } from '../../bench/simulate/simulation.js'
import { definePlugin, Retry } from '../../core/index.js'

t.test('the clock', async (t) => {
  t.test('takes what is planned in the order of its time, and of its planning', async (t) => {
    const clock = new EventClock()
    const random = stream(1, 'clock')
    const planned = Array.from({ length: 2_000 }, (_, i) => ({ at: Math.floor(random() * 500), i }))
    const seen: { at: number; i: number }[] = []
    const timers = planned.map((one) =>
      clock.setTimeout(() => seen.push({ at: clock.now(), i: one.i }), one.at)
    )
    const cancelled = new Set(planned.filter(() => random() < 0.3).map(({ i }) => i))
    for (const i of cancelled) timers[i]?.cancel()
    await clock.run(1_000)
    const expected = planned
      .filter(({ i }) => !cancelled.has(i))
      .sort((one, other) => one.at - other.at || one.i - other.i)
    t.same(seen, expected)
    t.equal(clock.planned, 0)
    t.equal(clock.now(), 1_000)
  })

  t.test('lets promises settle between two happenings at the same time', async (t) => {
    const clock = new EventClock()
    const seen: string[] = []
    const after = async (name: string, turns: number) => {
      for (let i = 0; i < turns; i++) await undefined
      seen.push(name)
    }
    clock.setTimeout(() => void after('first', 20), 5)
    clock.setTimeout(() => seen.push('second'), 5)
    void clock.sleep(4).then(() => after('slept', 20))
    await clock.run(10)
    t.same(seen, ['slept', 'first', 'second'])
  })

  t.test('repeats intervals until they are cancelled, and stops where it is told to', async (t) => {
    const clock = new EventClock()
    const seen: number[] = []
    const timer = clock.setInterval(() => {
      seen.push(clock.now())
      if (seen.length === 3) timer.cancel()
    }, 7)
    clock.setInterval(() => {}, 1)
    await clock.run(100, () => seen.length === 3)
    t.same(seen, [7, 14, 21])
    t.ok(clock.now() < 23)
  })

  t.test('rejects with what a happening throws', async (t) => {
    const clock = new EventClock()
    clock.plan(
      new (class extends Happening {
        override happen(): void {
          throw new Error('as the test asked')
        }
      })(),
      1
    )
    await t.rejects(clock.run(10), { message: 'as the test asked' })
  })
})

t.test('chance', async (t) => {
  t.test('streams repeat themselves, and differ by seed and by name', async (t) => {
    const take = (seed: number, name: string) => {
      const random = stream(seed, name)
      return Array.from({ length: 5 }, () => random())
    }
    t.same(take(1, 'a'), take(1, 'a'))
    t.notSame(take(1, 'a'), take(2, 'a'))
    t.notSame(take(1, 'a'), take(1, 'b'))
  })

  t.test('is even: chi-squared of 100,000 draws in 64 bins', async (t) => {
    const random = stream(7, 'even')
    const counts = new Array<number>(64).fill(0)
    for (let i = 0; i < 100_000; i++) {
      const bin = Math.floor(random() * 64)
      counts[bin] = (counts[bin] ?? 0) + 1
    }
    // 63 degrees of freedom: 103.4 is exceeded once in 1,000.
    t.ok(chiSquared(counts) < 103.4)
  })

  for (const [name, distribution, mean, p99] of [
    ['constant', constant(20), 20, 20],
    ['exponential', exponential(20), 20, 20 * Math.log(100)],
    ['lognormal', lognormal(20, 1), 20, 20 * Math.exp(-0.5 + 2.3263)],
    [
      'mixture',
      mixture([
        { share: 0.95, of: constant(10) },
        { share: 0.05, of: constant(210) }
      ]),
      20,
      210
    ]
  ] as const) {
    t.test(`${name}: mean and p99 of 200,000 draws`, async (t) => {
      const random = stream(3, name)
      const drawn = new Histogram()
      for (let i = 0; i < 200_000; i++) drawn.add(distribution.draw(random))
      t.equal(distribution.mean, mean)
      near(t, drawn.mean, mean, 0.02)
      near(t, drawn.percentile(0.99), p99, 0.03)
    })
  }

  t.test('arrivals keep to the rate of each phase', async (t) => {
    const arrivals = new Arrivals(
      [
        { from: 0, perSecond: 1_000 },
        { from: 20_000, perSecond: 0 },
        { from: 30_000, perSecond: 3_000 },
        { from: 40_000, perSecond: 0 }
      ],
      stream(1, 'arrivals')
    )
    const counts = [0, 0, 0]
    for (let at = arrivals.next(); at !== Number.POSITIVE_INFINITY; at = arrivals.next()) {
      const phase = at < 20_000 ? 0 : at < 30_000 ? 1 : 2
      counts[phase] = (counts[phase] ?? 0) + 1
    }
    near(t, counts[0] as number, 20_000, 0.03)
    t.equal(counts[1], 0)
    near(t, counts[2] as number, 30_000, 0.03)
  })
})

t.test('percentiles are within 0.4% of the exact ones', async (t) => {
  const histogram = new Histogram()
  const values = Array.from({ length: 10_000 }, (_, i) => 0.05 * 1.0012 ** i)
  for (const value of values) histogram.add(value)
  for (const share of [0.001, 0.1, 0.5, 0.99, 0.999])
    near(t, histogram.percentile(share), values[Math.ceil(share * values.length) - 1] as number, 0.004)
  t.equal(histogram.max, values.at(-1))
  t.ok(Number.isNaN(new Histogram().percentile(0.5)))
})

t.test('what queueing theory says', async (t) => {
  // The time in the system of M/M/c by Erlang's C formula: arrivals without memory, c workers, one queue.
  for (const [workers, load, requests] of [
    [1, 0.5, 60_000],
    [1, 0.8, 60_000],
    [4, 0.8, 60_000],
    [16, 0.85, 120_000]
  ] as const) {
    t.test(`M/M/${workers} at ${load}: mean time in the queue`, async (t) => {
      const mean = 10
      const perSecond = (load * workers * 1000) / mean
      const { tally, servers } = await simulate({
        seed: 11,
        endpoints: [{ workers, queue: 1e6, time: exponential(mean) }],
        arrivals: [{ from: 0, perSecond }],
        requests,
        warmUp: 5_000
      })
      const wait = (erlangC(workers, load) * mean) / (workers * (1 - load))
      t.equal(tally.success, 1)
      const [server] = servers
      near(t, (server?.waited ?? 0) / (server?.served ?? 0), wait, 0.06)
      near(t, tally.all.latency.mean, wait + mean, 0.03)
      near(t, (server?.busyTime ?? 0) / (server?.served ?? 0), mean, 0.02)
      if (workers === 1)
        near(t, tally.all.latency.percentile(0.99), (mean * Math.log(100)) / (1 - load), 0.06)
    })
  }
})

t.test('a way to the endpoint takes its time, and zones differ', async (t) => {
  const { tally } = await simulate({
    ...quiet,
    endpoints: [
      { workers: 10, queue: 10, time: constant(10), zone: 'a' },
      { workers: 10, queue: 10, time: constant(10), zone: 'b' }
    ],
    network: { near: 1, far: 5 },
    proxies: ['a']
  })
  near(t, tally.all.latency.percentile(0.25), 11, 0.005)
  near(t, tally.all.latency.percentile(0.75), 15, 0.005)
})

t.test('servers fail as they are told to', async (t) => {
  const again = definePlugin({
    name: 'again',
    setup: () => ({
      outcome: (attempt) =>
        attempt.number === 1 && (attempt.error !== undefined || attempt.status !== 200)
          ? new Retry({ reason: 'again', delay: 5 })
          : undefined
    })
  })
  const endpoint = { workers: 10, queue: 10, time: constant(10) }
  const from = 1_000
  const to = 2_000

  t.test('at once, with a status, while it lasts', async (t) => {
    const { tally, servers } = await simulate({
      ...quiet,
      endpoints: [{ ...endpoint, faults: [{ kind: 'error', from, to, status: 500 }] }]
    })
    t.same([...tally.statuses.keys()].sort(), [200, 500])
    t.equal(tally.windows[1]?.good, 0)
    t.ok((tally.windows[0]?.good ?? 0) > 0 && (tally.windows[2]?.good ?? 0) > 0)
    t.equal(servers[0]?.received, (servers[0]?.served as number) + (tally.statuses.get(500) ?? 0))
  })

  t.test('by taking no connections; the plugin that is asked finds the other', async (t) => {
    const { tally, servers } = await simulate({
      ...quiet,
      endpoints: [{ ...endpoint, faults: [{ kind: 'refuse' }] }, endpoint],
      plugins: { route: [again] }
    })
    t.equal(tally.success, 1)
    t.equal(tally.all.retries, servers[0]?.received)
    t.equal(tally.all.attempts, tally.all.offered + tally.all.retries)
    t.equal(servers[1]?.served, tally.all.offered)
  })

  t.test('by never answering: the route gives up, or the client before it', async (t) => {
    const hanging = { ...endpoint, faults: [{ kind: 'hang' as const }] }
    const patient = await simulate({ ...quiet, endpoints: [hanging], timeout: 500 })
    t.same([...patient.tally.statuses], [[504, patient.tally.all.offered]])
    t.ok(patient.tally.all.refusal.max <= 521, 'the route has 500 ms, and deadlines are looked at every 20')
    const hasty = await simulate({ ...quiet, endpoints: [hanging], patience: 100 })
    t.same([...hasty.tally.statuses], [[0, hasty.tally.all.offered]])
  })

  t.test('by being slow', async (t) => {
    const { tally } = await simulate({
      ...quiet,
      endpoints: [{ ...endpoint, faults: [{ kind: 'slow', factor: 3 }] }]
    })
    near(t, tally.all.latency.percentile(0.5), 30, 0.005)
  })

  t.test('by being full; work that has begun is finished for nobody', async (t) => {
    const busy: Simulation = {
      ...quiet,
      endpoints: [{ workers: 1, queue: 5, time: constant(100) }],
      arrivals: [{ from: 0, perSecond: 50 }]
    }
    const full = await simulate(busy)
    t.ok((full.servers[0]?.overflowed ?? 0) > 0)
    t.equal(full.tally.statuses.get(503), full.servers[0]?.overflowed)
    const left = await simulate({ ...busy, patience: 150 })
    const [server] = left.servers
    t.ok((server?.wasted ?? 0) > 0)
    t.ok((server?.wasted ?? 0) <= (left.tally.statuses.get(0) ?? 0))
    const [first] = busy.endpoints
    const noticed = await simulate({
      ...busy,
      patience: 150,
      endpoints: [{ ...(first as NonNullable<typeof first>), noticesLeaving: true }]
    })
    t.ok((noticed.servers[0]?.wasted ?? 0) < (server?.wasted ?? 0))
  })
})

t.test('plugins that wait are waited for, on the simulated clock', async (t) => {
  const waiting = definePlugin({
    name: 'waiting',
    setup: ({ clock }) => ({
      async request() {
        await clock.sleep(25)
      }
    })
  })
  const { tally } = await simulate({
    ...quiet,
    endpoints: [{ workers: 10, queue: 10, time: constant(10) }],
    plugins: { route: [waiting] }
  })
  t.equal(tally.success, 1)
  near(t, tally.all.latency.percentile(0.99), 35, 0.005)
})

t.test('plugins draw from the seed: the random policy is even, and comes out the same again', async (t) => {
  const run = (seed: number) =>
    simulate({
      seed,
      endpoints: Array.from({ length: 50 }, () => ({ workers: 10, queue: 100, time: constant(10) })),
      plugins: { service: [{ 'load-balancer': { policy: 'random' } }] },
      arrivals: [{ from: 0, perSecond: 1_000 }],
      requests: 20_000
    })
  const received = async (seed: number) => (await run(seed)).servers.map((server) => server.received)
  const counts = await received(1)
  // 49 degrees of freedom: 85.4 is exceeded once in 1,000, and 23.98 fallen short of.
  t.ok(chiSquared(counts) < 85.4, `chi-squared ${chiSquared(counts)}`)
  t.ok(chiSquared(counts) > 23.9, 'nor is it more even than chance is')
  t.same(await received(1), counts)
  t.notSame(await received(2), counts)
})

t.test('sidecars that share endpoints have a view each', async (t) => {
  const zones: (string | undefined)[] = []
  const { servers, tally } = await simulate({
    ...quiet,
    endpoints: ['a', 'b'].map((zone) => ({ workers: 10, queue: 10, time: constant(10), zone })),
    proxies: ['a', 'b', 'b'],
    plugins: (zone) => {
      zones.push(zone)
      return {}
    },
    requests: 3_000
  })
  t.same(zones, ['a', 'b', 'b'])
  t.equal(tally.all.good, 3_000)
  // Three round robins that know nothing of each other are each even.
  near(t, servers[0]?.received ?? 0, 1_500, 0.002)
})

t.test('a scenario comes out byte for byte the same, and otherwise with another seed', async (t) => {
  const run = async (seed: number) => {
    const { tables, plots, checks } = await hedging.run({ seed, requests: 3_000, say: () => {} })
    return JSON.stringify({ tables, plots, checks })
  }
  const first = await run(1)
  t.equal(await run(1), first)
  t.not(await run(2), first)
})

t.test('plots say what they show, on a ground of their own', async (t) => {
  const chart: LineChart = {
    title: 'a title',
    x: { title: 'time (s)' },
    y: { title: 'latency (ms)', scale: 'log', min: 1 },
    series: [
      {
        name: 'interrupted',
        points: [
          [0, 1],
          [1, 10],
          [2, undefined],
          [3, 10],
          [4, 5]
        ]
      },
      { name: 'other', points: [[0, 2]] }
    ],
    bands: [{ from: 1, to: 2, label: 'outage' }],
    lines: [{ at: 5, label: 'capacity' }]
  }
  const line = await lineChart(chart)
  t.equal(await lineChart(chart), line, 'the same of the same chart')
  const bar = await barChart({
    title: 'a title',
    y: { title: 'latency (ms)' },
    bars: [{ name: 'one', values: [{ group: 'p50', value: 12.3456 }] }]
  })
  for (const text of ['a title', 'time (s)', 'latency (ms)', 'interrupted', 'other', 'outage', 'capacity'])
    t.match(line, `>${text}<`)
  for (const text of ['a title', 'latency (ms)', 'one', 'p50', '12']) t.match(bar, `>${text}<`)
  for (const svg of [line, bar]) {
    t.match(svg, /<rect width="\d+" height="\d+" fill="white"/)
    t.notMatch(svg, /\d\.\d\d/, 'no more digits than are seen')
  }
  const path = / d="([^"]*)" stroke="[^"]*" stroke-width="2"/.exec(line)?.[1] ?? ''
  t.equal(path.split('M').length - 1, 2, `a line with a gap in it: ${path}`)
})

t.test('the README has a place for each scenario, and the plots it shows', async (t) => {
  const text = readFileSync(join(folder, 'README.md'), 'utf8')
  for (const { name } of scenarios) {
    t.match(text, `<!-- ${name}: written by npm run bench -- simulate --write -->`)
    t.match(text, `<!-- end of ${name} -->`)
  }
  const shown = [...text.matchAll(/\]\((plots\/[^)]+)\)/g)].map(([, file]) => file as string)
  t.ok(shown.length > 0)
  t.same(
    shown.map((file) => basename(file)).sort(),
    readdirSync(join(folder, 'plots')).sort(),
    'each plot is shown once, and there is no other'
  )
  for (const file of shown) t.ok(statSync(join(folder, file)).size < 60 * 1024, `${file} is small`)
})

t.test('the command says what is wrong with it', async (t) => {
  const said = (...args: string[]) => {
    const { status, stderr } = spawnSync(process.execPath, ['.ci/bench.mjs', 'simulate', ...args], {
      cwd: join(folder, '../..'),
      encoding: 'utf8'
    })
    t.equal(status, 1)
    return stderr
  }
  const names = scenarios.map(({ name }) => name).join(', ')
  t.match(said('strom'), `no scenario strom: there are ${names}`)
  t.match(said('storm', '--requests', 'many'), '--requests is a whole number from 1, not many')
  t.match(said('storm', '--write', '--seed', '2'), '--write goes without --requests and --seed')
})

const folder = fileURLToPath(new URL('../../bench/simulate', import.meta.url))

const quiet: Pick<Simulation, 'seed' | 'arrivals' | 'requests'> = {
  seed: 5,
  arrivals: [{ from: 0, perSecond: 100 }],
  requests: 300
}

/** Pearson's statistic against equal shares. */
function chiSquared(counts: readonly number[]): number {
  const expected = counts.reduce((sum, count) => sum + count, 0) / counts.length
  return counts.reduce((sum, count) => sum + (count - expected) ** 2 / expected, 0)
}

/** Erlang's C: the probability that one who arrives has to wait. @param load of each worker */
function erlangC(workers: number, load: number): number {
  const offered = workers * load
  let term = 1
  let sum = 0
  for (let k = 0; k < workers; k++) {
    sum += term
    term *= offered / (k + 1)
  }
  const queued = term / (1 - load)
  return queued / (sum + queued)
}

function near(t: Test, actual: number, expected: number, tolerance: number): void {
  const off = Math.abs(actual / expected - 1)
  t.ok(off <= tolerance, `${actual} is within ${tolerance * 100}% of ${expected}`)
}
