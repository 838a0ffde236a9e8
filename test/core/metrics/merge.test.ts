import t from 'tap'
import { exposeFamilies } from '../../../core/metrics/exposition.js'
import { MergedMetrics, mergingOf } from '../../../core/metrics/merge.js'
import { type Reading, read } from '../../../core/metrics/reading.js'
import { MetricsRegistry } from '../../../core/metrics/registry.js'

/** As another process gets it. */
const sent = (registry: MetricsRegistry) =>
  JSON.parse(JSON.stringify(registry.families().flatMap((metric) => [...read(metric)]))) as Reading[]

const linesOf = async (merged: MergedMetrics<string>, own: readonly Reading[] = []) =>
  (await exposeFamilies(await merged.merged(own))).text
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'))

function process() {
  const registry = new MetricsRegistry()
  return {
    registry,
    requests: registry.counter({ name: 'requests_total', help: 'h', labels: ['code'] }),
    inFlight: registry.gauge({ name: 'in_flight', help: 'h' }).labels(),
    healthy: registry.gauge({ name: 'endpoint_healthy', help: 'h', labels: ['endpoint'] }),
    seconds: registry.histogram({ name: 'seconds', help: 'h', labels: ['code'], buckets: [1, 2] })
  }
}

t.test('counters and histograms are added up, and gauges by what they hold', async (t) => {
  const [a, b] = [process(), process()]
  a.requests.labels('200').inc(3)
  b.requests.labels('200').inc(4)
  b.requests.labels('500').inc()
  a.inFlight.set(2)
  b.inFlight.set(5)
  a.healthy.labels('x').set(1)
  b.healthy.labels('x').set(0)
  a.healthy.labels('y').set(1)
  b.healthy.labels('y').set(1)
  a.seconds.labels('200').observe(0.5)
  b.seconds.labels('200').observe(1.5)
  b.seconds.labels('200').observe(9)
  const merged = new MergedMetrics<string>()
  merged.put('a', sent(a.registry))
  merged.put('b', sent(b.registry))
  t.same((await linesOf(merged)).sort(), [
    'endpoint_healthy{endpoint="x"} 0',
    'endpoint_healthy{endpoint="y"} 1',
    'in_flight 7',
    'requests_total{code="200"} 7',
    'requests_total{code="500"} 1',
    'seconds_bucket{le="+Inf",code="200"} 3',
    'seconds_bucket{le="1",code="200"} 1',
    'seconds_bucket{le="2",code="200"} 2',
    'seconds_count{code="200"} 3',
    'seconds_sum{code="200"} 11'
  ])
})

t.test('what a process that has ended had counted stays, and what it held goes', async (t) => {
  const [a, b] = [process(), process()]
  a.requests.labels('200').inc(3)
  a.inFlight.set(2)
  a.seconds.labels('200').observe(0.5)
  b.requests.labels('200').inc(4)
  b.inFlight.set(1)
  const merged = new MergedMetrics<string>()
  merged.put('a', sent(a.registry))
  merged.put('b', sent(b.registry))
  merged.end('a')
  const lines = await linesOf(merged)
  t.ok(lines.includes('requests_total{code="200"} 7'))
  t.ok(lines.includes('seconds_count{code="200"} 1'))
  t.ok(lines.includes('in_flight 1'))
  t.same(await linesOf(merged), lines, 'a second look adds nothing')

  b.requests.labels('200').inc(1)
  merged.put('b', sent(b.registry))
  merged.end('b')
  t.ok((await linesOf(merged)).includes('requests_total{code="200"} 8'))
  t.same([...merged.last.keys()], [])
})

t.test('one that ends while a scrape is made up is counted once', async (t) => {
  const a = process()
  a.requests.labels('200').inc(3)
  const merged = new MergedMetrics<string>()
  merged.put('a', sent(a.registry))
  const families = merged.merged([])
  merged.end('a')
  t.match((await exposeFamilies(await families)).text, 'requests_total{code="200"} 3\n')
})

t.test('many series are sent in parts, and what JSON has no word for arrives', async (t) => {
  const registry = new MetricsRegistry()
  const many = registry.counter({ name: 'many_total', help: 'h', labels: ['n'], maxSeries: 5000 })
  for (let n = 0; n < 2500; n++) many.labels(String(n)).inc(n)
  const odd = registry.gauge({ name: 'odd', help: 'h', labels: ['of'] })
  odd.labels('inf').set(Number.POSITIVE_INFINITY)
  odd.labels('nan').set(Number.NaN)
  const readings = sent(registry)
  t.equal(readings.filter(({ name }) => name === 'many_total').length, 3)
  const merged = new MergedMetrics<string>()
  merged.put('a', readings)
  const lines = await linesOf(merged)
  t.equal(lines.filter((line) => line.startsWith('many_total')).length, 2500)
  t.ok(lines.includes('odd{of="inf"} +Inf'))
  t.ok(lines.includes('many_total{n="2499"} 2499'))
})

t.test('which gauges are added up', async (t) => {
  for (const [name, merging] of Object.entries({
    outrigger_requests_in_flight: 'sum',
    outrigger_limit: 'sum',
    outrigger_worker_queue_depth: 'sum',
    process_resident_memory_bytes: 'sum',
    process_open_fds: 'sum',
    process_max_fds: 'min',
    process_start_time_seconds: 'min',
    outrigger_endpoint_healthy: 'min',
    outrigger_breaker_state: 'max',
    outrigger_admission_rejection_ratio: 'max',
    nodejs_version_info: 'max',
    nodejs_eventloop_lag_p99_seconds: 'max',
    nodejs_eventloop_lag_min_seconds: 'min'
  }))
    t.equal(mergingOf('gauge', name), merging, name)
  t.equal(mergingOf('counter', 'breaker_state'), 'sum')
})
