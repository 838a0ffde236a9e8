import t from 'tap'
import { page } from '../../../core/admin/dashboard/page.js'
import { readings } from '../../../core/admin/dashboard/readings.js'
import { script } from '../../../core/admin/dashboard/script.js'
import { style } from '../../../core/admin/dashboard/style.js'

type Families = Map<string, { labels: Record<string, string>; value: number }[]>
interface Readings {
  parseMetrics(text: string): Families
  total(families: Families, name: string): number | undefined
  quantile(q: number, before: [number, number][], after: [number, number][]): number | undefined
  perSecond(before: number | undefined, after: number | undefined, seconds: number): number | undefined
  traffic(before: object, after: object, route?: string): Record<string, number | undefined>
  showNumber(value: number | undefined): string
  showPercent(value: number | undefined): string
  showMs(value: number | undefined): string
  showSpan(value: number): string
}

const names = 'parseMetrics, total, quantile, perSecond, traffic, showNumber, showPercent, showMs, showSpan'
const r = new Function(`${readings}\nreturn { ${names} }`)() as Readings

t.test('the page needs nothing from elsewhere', async (t) => {
  t.notMatch(page.replace(/http:\/\/www\.w3\.org\/2000\/svg/g, ''), /(https?:)?\/\/[a-z]/, 'no address')
  t.notMatch(style, /url\(|@import/)
  t.notMatch(
    page,
    /<script(?![^>]*src)|\son[a-z]+=|<style|\sstyle=/,
    'nothing inline, which the policy refuses'
  )
  t.notMatch(
    script,
    /innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(/,
    'data is text, never markup'
  )
  t.doesNotThrow(() => new Function(script), 'the script parses')
})

t.test('the script finds all it looks for in the page', async (t) => {
  const wanted = [...script.matchAll(/byId\('([a-z0-9-]+)'\)/g)].map(([, id]) => id)
  t.ok(wanted.length > 10)
  for (const id of wanted) t.ok(page.includes(`id="${id}"`), String(id))
})

t.test('Prometheus text is read with its labels', async (t) => {
  const families = r.parseMetrics(
    [
      '# HELP a_total things',
      '# TYPE a_total counter',
      'a_total{route="x y",path="a\\"b\\\\c}"} 3',
      'a_total{route="z"} 4.5 1700000000',
      '# TYPE none_total counter',
      'plain 1e3',
      'h_bucket{le="+Inf"} 7'
    ].join('\n')
  )
  t.same(families.get('a_total'), [
    { labels: { route: 'x y', path: 'a"b\\c}' }, value: 3 },
    { labels: { route: 'z' }, value: 4.5 }
  ])
  t.equal(r.total(families, 'a_total'), 7.5)
  t.equal(r.total(families, 'none_total'), 0, 'declared, and nothing counted yet')
  t.equal(r.total(families, 'unheard_of'), undefined)
  t.equal(r.total(families, 'plain'), 1000)
})

t.test('a quantile is of what came between two readings', async (t) => {
  const before: [number, number][] = [
    [0.1, 100],
    [1, 100],
    [Infinity, 100]
  ]
  const after: [number, number][] = [
    [0.1, 150],
    [1, 200],
    [Infinity, 200]
  ]
  t.equal(r.quantile(0.5, before, after), 0.1)
  t.equal(r.quantile(0.75, before, after), 0.55)
  t.equal(
    r.quantile(
      0.99,
      [],
      [
        [0.1, 0],
        [1, 0],
        [Infinity, 5]
      ]
    ),
    1,
    'the open bucket says its lower bound'
  )
  t.equal(r.quantile(0.5, after, after), undefined)
  t.equal(r.quantile(0.5, [], []), undefined)
})

t.test('rates, errors and latency of all and of one route', async (t) => {
  const reading = (at: number, n: number) => ({
    at,
    families: r.parseMetrics(
      [
        `outrigger_requests_total{route="a",code="200"} ${90 * n}`,
        `outrigger_requests_total{route="a",code="503"} ${10 * n}`,
        `outrigger_requests_total{route="b",code="404"} ${100 * n}`,
        `outrigger_request_duration_seconds_bucket{route="a",le="0.01"} ${100 * n}`,
        `outrigger_request_duration_seconds_bucket{route="a",le="+Inf"} ${100 * n}`,
        `outrigger_retries_total{route="a"} ${4 * n}`
      ].join('\n')
    )
  })
  const all = r.traffic(reading(10, 1), reading(12, 2))
  t.equal(all.rate, 100)
  t.equal(all.errors, 0.05)
  t.equal(all.retries, 2)
  t.equal(all.p50, 0.005)
  const a = r.traffic(reading(10, 1), reading(12, 2), 'a')
  t.equal(a.rate, 50)
  t.equal(a.errors, 0.1)
  t.equal(r.traffic(reading(10, 1), reading(12, 2), 'b').errors, 0, '404 is no server error')
  t.equal(r.traffic(reading(10, 2), reading(12, 1)).rate, undefined, 'a counter that began anew has no rate')
  t.equal(
    r.traffic({ at: 1, families: new Map() }, { at: 2, families: new Map() }).rate,
    undefined,
    'nobody counts'
  )
})

t.test('numbers as they are shown', async (t) => {
  t.same([undefined, 0, 0.04, 3, 2.345, 99.96, 1234, 12_345, 250_000].map(r.showNumber), [
    '–',
    '0',
    '<0.1',
    '3',
    '2.3',
    '100',
    '1234',
    '12.3k',
    '250k'
  ])
  t.same([undefined, 0, 0.0004, 0.0123, 0.5, 1].map(r.showPercent), [
    '–',
    '0%',
    '<0.1%',
    '1.2%',
    '50%',
    '100%'
  ])
  t.same([undefined, 0.25, 9.94, 42.4, 1500, 15_000].map(r.showMs), [
    '–',
    '0.3 ms',
    '9.9 ms',
    '42 ms',
    '1.5 s',
    '15 s'
  ])
  t.same([5, 65, 3700, 90_000].map(r.showSpan), ['5 s', '1 min', '1 h 1 min', '1 d 1 h'])
})
