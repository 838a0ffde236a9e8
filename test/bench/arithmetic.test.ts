import t from 'tap'
import { driftOf } from '../../bench/collapse/soak.js'
import { readStat } from '../../bench/cpu-time.js'
import { addressOf } from '../../bench/growth/configurations.js'
import { readWrk } from '../../bench/load/generator.js'
import { summary } from '../../bench/load/summary.mjs'
import { scalingOf } from '../../bench/processes/scaling.js'
import { ratios, table } from '../../bench/report.js'
import type { Sample } from '../../bench/rounds.js'
import { fit, mean, median, quantile, ratioOfRounds } from '../../bench/statistics.js'

t.test('median, mean and quantile', async (t) => {
  t.equal(median([3, 1, 2]), 2)
  t.equal(median([4, 1, 2, 3]), 2.5)
  t.ok(Number.isNaN(median([])))
  t.equal(mean([1, 2, 6]), 3)
  const hundred = Array.from({ length: 100 }, (_, i) => i + 1)
  t.equal(quantile(hundred, 0.5), 51)
  t.equal(quantile(hundred, 0.99), 100)
  t.equal(quantile([7], 0.99), 7)
  t.ok(Number.isNaN(quantile([], 0.5)))
})

t.test('a ratio of rounds is of each round with its own other side', async (t) => {
  // The second round was disturbed on both sides alike.
  t.equal(ratioOfRounds([10, 100, 10], [20, 200, 20]), 0.5)
  t.equal(ratioOfRounds([1, 9, 3], [1, 3, 3]), 1)
  t.ok(Number.isNaN(ratioOfRounds([], [])))
})

t.test('a line through points', async (t) => {
  const points = [0, 1, 2, 3].map((x) => [x, 5 + 2 * x] as const)
  t.same(fit(points), { slope: 2, start: 5 })
  const { slope, start } = fit([
    [0, 1],
    [1, 3],
    [2, 2]
  ])
  t.equal(slope, 0.5)
  t.equal(start, 1.5)
  t.same(fit([[4, 9]]), { slope: 0, start: 9 })
})

t.test('the drift of memory leaves the first third out', async (t) => {
  // It grows to 100 MB in the first three minutes of nine, and stays there.
  const settled = Array.from({ length: 10 }, (_, at) => [at, at < 3 ? 40 + 20 * at : 100] as const)
  t.same(driftOf(settled), { perMinute: 0, times: 1 })
  const leaking = Array.from({ length: 10 }, (_, at) => [at, 100 + 10 * at] as const)
  const { perMinute, times } = driftOf(leaking)
  t.ok(Math.abs(perMinute - 10) < 1e-9)
  t.ok(Math.abs(times - 190 / 130) < 1e-9)
})

t.test('what the system says of a process', async (t) => {
  const rest = `S 41 ${Array.from({ length: 9 }, () => 0).join(' ')} 700 300 20 5 0 0 11 0 99`
  // A program may be called anything.
  t.same(readStat(`4711 (node) x) ${rest}`), { parent: 41, ticks: 1000, childTicks: 25, threads: 11 })
})

t.test("what wrk's script prints, in ms", async (t) => {
  const said = [
    'Running 2s test @ http://127.0.0.1:1',
    '  1 threads and 50 connections',
    '{"requests":1200,"duration":2000000,"failed":3,"mean":1500,"p50":1000,"p99":20000}'
  ]
  t.same(readWrk(`${said.join('\n')}\n`), {
    requests: 1200,
    seconds: 2,
    failed: 3,
    mean: 1.5,
    p50: 1,
    p99: 20
  })
})

t.test('many times in a few figures', async (t) => {
  const times = Float64Array.from({ length: 1000 }, (_, i) => 1000 - i)
  t.same(summary(times), { mean: 500.5, p50: 501, p99: 991, max: 1000 })
  t.same(summary(new Float64Array(0)), { mean: null, p50: null, p99: null, max: null })
})

const sample = (cpu: number, requests: number, failed = 0): Sample => ({
  cpu,
  requests,
  failed,
  seconds: 1,
  mean: 1,
  p50: 1,
  p99: 2,
  busy: 0.9,
  disturbed: 0.1
})

t.test('a row beside the baseline: best by best, and the median of the rounds', async (t) => {
  const ours = { name: 'none', label: 'ours', samples: [sample(10, 400), sample(20, 200), sample(10, 400)] }
  const bare = {
    name: 'bare',
    label: 'bare',
    samples: [sample(20, 200), sample(40, 100), sample(30, 100, 2)]
  }
  t.same(ratios(ours, bare), { cpu: { best: 2, median: 2 }, throughput: { best: 2, median: 2 } })
  const [, , first, second] = table([ours, bare], bare).split('\n')
  t.equal(first, '| ours | 10.0 | 10.0 | 400 | 400 | 2.0 | 2.00 (2.00) | 2.00 (2.00) | 90% | 10% | 0 |')
  t.match(second, /\| 2 \|$/, 'what failed is counted')
})

t.test('what two processes make of two cores', async (t) => {
  // 50 µs each, and 20 µs of load and service: one process is full, two share what the load leaves.
  const one = { requests: 20_000, seconds: 1, proxies: [1], rest: 0.4 }
  const many = { requests: 28_000, seconds: 1, proxies: [0.7, 0.7], rest: 0.56 }
  const scaling = scalingOf(one, many, 2, 2)
  t.equal(scaling.throughput, 1.4)
  t.ok(Math.abs(scaling.possible - 2 / 70e-6 / 20_000) < 1e-9)
  t.ok(Math.abs(scaling.efficiency - 1) < 1e-9)
  t.ok(Math.abs(scaling.projected - 2) < 1e-9)
  t.equal(scaling.imbalance, 1)
  t.test('one that does three quarters of it is full first', async (t) => {
    const uneven = scalingOf(one, { ...many, proxies: [1.05, 0.35] }, 2, 2)
    t.ok(Math.abs(uneven.imbalance - 1.5) < 1e-9)
    t.ok(Math.abs(uneven.projected - 2 / 1.5) < 1e-9)
  })
  t.test('requests that become dearer count', async (t) => {
    const dearer = scalingOf(one, { ...many, proxies: [0.875, 0.875] }, 2, 2)
    t.ok(Math.abs(dearer.projected - 1.6) < 1e-9)
  })
})

t.test('ten thousand addresses of loopback, no two the same', async (t) => {
  const all = Array.from({ length: 10_000 }, (_, at) => addressOf(at))
  t.equal(new Set(all).size, 10_000)
  t.equal(all[0], '127.1.0.1')
  t.equal(all[254], '127.1.1.1')
  t.ok(all.every((address) => /^127\.\d+\.\d+\.\d+$/.test(address) && !/\.(0|255)$/.test(address)))
})
