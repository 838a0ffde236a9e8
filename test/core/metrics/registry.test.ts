import t from 'tap'
import { MetricsRegistry } from '../../../core/metrics/registry.js'

/** The lines of one metric, without HELP and TYPE. */
async function lines(registry: MetricsRegistry, name: string): Promise<string[]> {
  const { text } = await registry.text()
  return text.split('\n').filter((line) => new RegExp(`^${name}(_bucket|_sum|_count)?[{ ]`).test(line))
}

t.test('a counter counts per label set', async (t) => {
  const registry = new MetricsRegistry()
  const family = registry.counter({ name: 'requests_total', help: 'Requests.', labels: ['route', 'code'] })
  family.labels('a', '200').inc()
  family.labels('a', '200').inc(2)
  family.labels('a', '500').inc()
  t.equal(family.labels('a', '200'), family.labels('a', '200'), 'the cell of a label set is one object')
  t.same(await lines(registry, 'requests_total'), [
    'requests_total{route="a",code="200"} 3',
    'requests_total{route="a",code="500"} 1'
  ])
  const { text, contentType } = await registry.text()
  t.match(text, '# HELP requests_total Requests.\n# TYPE requests_total counter\n')
  t.equal(contentType, 'text/plain; version=0.0.4; charset=utf-8')
})

t.test('a metric without labels is there before its first event', async (t) => {
  const registry = new MetricsRegistry()
  const cell = registry.counter({ name: 'dropped_total', help: 'x' }).labels()
  t.same(await lines(registry, 'dropped_total'), ['dropped_total 0'])
  cell.inc()
  t.same(await lines(registry, 'dropped_total'), ['dropped_total 1'])
})

t.test('a gauge goes up and down', async (t) => {
  const registry = new MetricsRegistry()
  const cell = registry.gauge({ name: 'in_flight', help: 'x' }).labels()
  cell.inc()
  cell.inc(4)
  cell.dec()
  t.same(await lines(registry, 'in_flight'), ['in_flight 4'])
  cell.set(0.5)
  t.same(await lines(registry, 'in_flight'), ['in_flight 0.5'])
})

t.test('a histogram counts a value in every bucket at or above it', async (t) => {
  const registry = new MetricsRegistry()
  const family = registry.histogram({ name: 'wait_seconds', help: 'x', labels: ['on'], buckets: [0.1, 1, 5] })
  const cell = family.labels('db')
  for (const value of [0.05, 0.1, 0.5, 7]) cell.observe(value)
  t.same(await lines(registry, 'wait_seconds'), [
    'wait_seconds_bucket{le="0.1",on="db"} 2',
    'wait_seconds_bucket{le="1",on="db"} 3',
    'wait_seconds_bucket{le="5",on="db"} 3',
    'wait_seconds_bucket{le="+Inf",on="db"} 4',
    'wait_seconds_sum{on="db"} 7.65',
    'wait_seconds_count{on="db"} 4'
  ])
})

t.test('without buckets a histogram has those of 1 ms to 10 s', async (t) => {
  const registry = new MetricsRegistry()
  registry.histogram({ name: 'd_seconds', help: 'x' }).labels().observe(0.002)
  const bounds = (await lines(registry, 'd_seconds')).flatMap((line) => /le="([^"]+)"/.exec(line)?.[1] ?? [])
  t.equal(bounds[0], '0.001')
  t.equal(bounds.at(-2), '10')
  t.equal(bounds.at(-1), '+Inf')
})

t.test('label values are escaped', async (t) => {
  const registry = new MetricsRegistry()
  registry
    .counter({ name: 'a_total', help: 'x', labels: ['l'] })
    .labels('a"b\\c\nd')
    .inc()
  t.same(await lines(registry, 'a_total'), ['a_total{l="a\\"b\\\\c\\nd"} 1'])
})

t.test('the same name gives the same metric, as after a reload', async (t) => {
  const registry = new MetricsRegistry()
  const options = { name: 'a_total', help: 'x', labels: ['l'] }
  registry.counter(options).labels('v').inc()
  registry.counter(options).labels('v').inc()
  t.same(await lines(registry, 'a_total'), ['a_total{l="v"} 2'])
})

t.test('a name that is taken says by what', async (t) => {
  const registry = new MetricsRegistry()
  registry.counter({ name: 'a_total', help: 'x', labels: ['l', 'm'] })
  t.throws(() => registry.gauge({ name: 'a_total', help: 'x', labels: ['l', 'm'] }), {
    message: 'metric a_total is taken: it is a counter of l, m, not a gauge of l, m'
  })
  t.throws(() => registry.counter({ name: 'a_total', help: 'x' }), {
    message: 'metric a_total is taken: it is a counter of l, m, not a counter without labels'
  })
  registry.histogram({ name: 'h', help: 'x', buckets: [1, 2] })
  t.throws(() => registry.histogram({ name: 'h', help: 'x', buckets: [1, 3] }), {
    message: 'metric h is taken with the buckets 1,2; other buckets need a restart'
  })
})

t.test('what Prometheus would not take is refused', async (t) => {
  const registry = new MetricsRegistry()
  t.throws(() => registry.counter({ name: 'a-b', help: 'x' }), /"a-b" is no Prometheus metric name/)
  t.throws(
    () => registry.counter({ name: 'a', help: 'x', labels: ['__l'] }),
    /"__l" is no Prometheus label name/
  )
  t.throws(() => registry.counter({ name: 'a', help: 'x', labels: ['l', 'l'] }), /named twice/)
  t.throws(
    () => registry.histogram({ name: 'a', help: 'x', labels: ['le'] }),
    /le is a histogram's own label/
  )
  t.throws(
    () => registry.histogram({ name: 'a', help: 'x', buckets: [2, 1] }),
    /above the one before, not \[2, 1\]/
  )
  t.throws(() => registry.histogram({ name: 'a', help: 'x', buckets: [] }), TypeError)
  const family = registry.counter({ name: 'a', help: 'x', labels: ['l', 'm'] })
  t.throws(() => family.labels('one'), { message: 'a has 2 labels (l, m), not 1' })
})

t.test('a value that would spoil a series for good is refused', async (t) => {
  const registry = new MetricsRegistry()
  const counter = registry.counter({ name: 'a_total', help: 'x' }).labels()
  for (const by of [-1, Number.NaN, Infinity]) t.throws(() => counter.inc(by), RangeError)
  const histogram = registry.histogram({ name: 'h', help: 'x' }).labels()
  for (const value of [Number.NaN, Infinity]) t.throws(() => histogram.observe(value), RangeError)
  t.same(await lines(registry, 'a_total'), ['a_total 0'])
  t.ok((await lines(registry, 'h')).includes('h_count 0'))
})

t.test('past maxSeries label sets share one cell that says other', async (t) => {
  const registry = new MetricsRegistry()
  const family = registry.counter({ name: 'a_total', help: 'x', labels: ['l', 'm'], maxSeries: 2 })
  for (const value of ['1', '2', '3', '4']) family.labels(value, 'x').inc()
  family.labels('1', 'x').inc()
  family.labels('other', 'other').inc()
  t.same(await lines(registry, 'a_total'), [
    'a_total{l="1",m="x"} 2',
    'a_total{l="2",m="x"} 1',
    'a_total{l="other",m="other"} 3'
  ])
})

t.test('a label that is no text is the series of its text', async (t) => {
  const registry = new MetricsRegistry()
  const family = registry.counter({ name: 'a_total', help: 'x', labels: ['code'] })
  family.labels('200').inc()
  family.labels(200 as unknown as string).inc()
  t.same(await lines(registry, 'a_total'), ['a_total{code="200"} 2'])
})

t.test('a removed series is shown no more and makes room', async (t) => {
  const registry = new MetricsRegistry()
  const family = registry.counter({ name: 'a_total', help: 'x', labels: ['l', 'm'], maxSeries: 2 })
  family.labels('1', 'x').inc()
  family.labels('1', 'y').inc()
  t.equal(family.remove('1', 'x'), true)
  t.equal(family.remove('1', 'x'), false)
  t.equal(family.remove('nine', 'x'), false)
  family.labels('2', 'z').inc()
  t.same(await lines(registry, 'a_total'), ['a_total{l="1",m="y"} 1', 'a_total{l="2",m="z"} 1'])
})

t.test('forget takes an endpoint out of every metric that names it', async (t) => {
  const registry = new MetricsRegistry()
  const attempts = registry.counter({
    name: 'attempts_total',
    help: 'x',
    labels: ['service', 'endpoint', 'outcome']
  })
  const healthy = registry.gauge({ name: 'healthy', help: 'x', labels: ['service', 'endpoint'] })
  const requests = registry.counter({ name: 'requests_total', help: 'x', labels: ['service'] })
  for (const endpoint of ['e1', 'e2']) {
    for (const outcome of ['2xx', '5xx']) attempts.labels('s', endpoint, outcome).inc()
    healthy.labels('s', endpoint).set(1)
  }
  requests.labels('s').inc()
  registry.forget({ service: 's', endpoint: 'e1' })
  t.same(await lines(registry, 'attempts_total'), [
    'attempts_total{service="s",endpoint="e2",outcome="2xx"} 1',
    'attempts_total{service="s",endpoint="e2",outcome="5xx"} 1'
  ])
  t.same(await lines(registry, 'healthy'), ['healthy{service="s",endpoint="e2"} 1'])
  t.same(await lines(registry, 'requests_total'), ['requests_total{service="s"} 1'])
})

t.test('collect sets values at each scrape, and one that throws spoils nothing', async (t) => {
  const errors: unknown[] = []
  const registry = new MetricsRegistry({ onError: (error) => errors.push(error) })
  const gauge = registry.gauge({ name: 'queue_depth', help: 'x' }).labels()
  let depth = 3
  registry.collect(() => {
    throw new Error('broken')
  })
  const end = registry.collect(() => gauge.set(depth))
  t.same(await lines(registry, 'queue_depth'), ['queue_depth 3'])
  depth = 5
  t.same(await lines(registry, 'queue_depth'), ['queue_depth 5'])
  end()
  depth = 7
  t.same(await lines(registry, 'queue_depth'), ['queue_depth 5'])
  t.equal(errors.length, 3)
})

t.test('a metric of thousands of series is one metric', async (t) => {
  const registry = new MetricsRegistry()
  const family = registry.counter({ name: 'many_total', help: 'Many.', labels: ['i'], maxSeries: 5000 })
  for (let i = 0; i < 2500; i++) family.labels(String(i)).inc(i)
  const { text } = await registry.text()
  t.equal(text.split('# TYPE many_total').length, 2, 'TYPE is said once')
  const found = await lines(registry, 'many_total')
  t.equal(found.length, 2500)
  t.equal(found.at(-1), 'many_total{i="2499"} 2499')
})

t.test("Node's own metrics come along, whole and once", async (t) => {
  const [first, second] = await Promise.all([new MetricsRegistry().text(), new MetricsRegistry().text()])
  for (const { text } of [first, second]) {
    t.equal(text.split('# TYPE process_cpu_seconds_total counter').length, 2)
    t.match(text, 'nodejs_eventloop_lag_p99_seconds ')
    t.ok(text.endsWith('\n'))
    t.notMatch(text, /\n\n\n/)
  }
  // Starting up took this process some time, and that is in the total.
  const cpu = Number(/^process_cpu_seconds_total (.+)$/m.exec(first.text)?.[1])
  const used = process.cpuUsage()
  t.ok(cpu > 0.05 && cpu <= (used.user + used.system) / 1e6, `${cpu}`)
})
