import t from 'tap'
import { readCommandLine } from '../../bench/command-line.js'
import { missingPackages } from '../../bench/install.js'
import { targetsOf } from '../../bench/matrix/targets.js'
import { modes } from '../../bench/modes.js'
import { isMet, textOf, verdict } from '../../bench/outcome.js'
import { growthOf, pairsOf, refusalOf, regressionTable } from '../../bench/regress/verdict.js'
import type { Row } from '../../bench/report.js'
import { sidecarOf, standardPath } from '../../bench/sidecar.js'
import { between, marksOf } from '../../bench/write.js'

/** So many µs of processor time per request, a round each; throughput goes by them. */
function row(name: string, cpus: readonly number[]): Row {
  const samples = cpus.map((cpu) => ({
    cpu,
    requests: 1e6 / cpu,
    seconds: 1,
    failed: 0,
    mean: 1,
    p50: 1,
    p99: 1,
    busy: 1,
    disturbed: 0
  }))
  return { name, label: name, samples }
}

t.test('a target that is reached is met, one that is not or is not known is missed', async (t) => {
  t.equal(
    verdict({ what: 'ready', reached: 349.6, atMost: 350, unit: ' ms', digits: 0 }),
    'ready: 350 ms, at most 350 ms: **met**'
  )
  t.equal(
    verdict({ what: 'times bare', reached: 1.994, atLeast: 2 }),
    'times bare: 1.99, at least 2: **missed**'
  )
  t.equal(isMet({ what: '', reached: 2, atLeast: 2 }), true)
  t.equal(verdict({ what: 'p99', reached: Number.NaN, atMost: 1 }), 'p99: -, at most 1: **missed**')
})

t.test('targets in a row are one list, and a smoke run has none', async (t) => {
  const parts = [
    '| a |',
    { what: 'one', reached: 1, atMost: 2 },
    { what: 'two', reached: 3, atMost: 2 },
    { file: 'p.svg', svg: '<svg/>', description: 'a plot' }
  ]
  t.equal(
    textOf(parts, 'plots/', true),
    '| a |\n\n- one: 1.00, at most 2: **met**\n- two: 3.00, at most 2: **missed**\n\n![a plot](plots/p.svg)'
  )
  t.equal(textOf(parts, undefined, false), '| a |')
})

t.test('what has to be reached beside others', async (t) => {
  const rows = [
    row('bare', [60, 60, 90]),
    row('httpxy', [52, 52, 52]),
    row('http-proxy-3', [65, 65, 65]),
    row('none', [20, 20, 45]),
    row('five', [40, 40, 40])
  ]
  const found = targetsOf('get', rows)
  const told = (what: RegExp) => found.filter((target) => what.test(target.what)).map(isMet)
  t.same(told(/of none, times bare/), [true, true], 'of processor time and of throughput')
  t.same(told(/of five, times bare/), [false, false], '1.5 times')
  t.same(told(/of five, .*lane/), [false, false])
  t.same(told(/of five, times httpxy/), [true, true], 'the better of the two, 1.3 times')
  t.same(told(/http-proxy-3/), [])
  t.same(targetsOf('post', rows), [], 'of the small GET alone')
  t.same(targetsOf('get', rows.slice(3)), [], 'who is not there is not held against')
})

t.test('a regression', async (t) => {
  const rows = [row('none', [22, 11, 33]), row('before-none', [20, 10, 30]), row('five', [30, 30, 30])]
  const pairs = pairsOf('get', rows, 'before-')
  t.equal(pairs.length, 1, 'what had no like before is left out')
  t.ok(Math.abs(growthOf(pairs[0] as (typeof pairs)[number]) - 1.1) < 1e-9)
  t.equal(refusalOf(pairs, 1.11), undefined)
  t.equal(
    refusalOf(pairs, 1.09),
    'a request takes more than 1.09 times the processor time: get, none: 1.10 times'
  )
  t.equal(
    refusalOf(pairsOf('get', [row('none', [24]), row('before-none', [20])], 'before-'))?.includes('1.20'),
    true
  )
  t.equal(refusalOf([]), 'nothing was compared', 'nothing is not let pass')
  const unknown = pairsOf('get', [row('none', [Number.NaN]), row('before-none', [20])], 'before-')
  t.match(refusalOf(unknown), /more than 1.1 times/, 'nor what cannot be told')
  t.match(regressionTable(unknown), /\*\*dearer\*\*/)
})

t.test('the command line', async (t) => {
  const read = (...args: string[]) => readCommandLine(args, '/built')
  t.match(read(), { mode: undefined, size: 'full', build: '/built', write: false, install: true })
  t.match(read('--smoke'), { size: 'smoke', install: false }, 'a smoke run installs nothing')
  t.match(read('profile', 'five', '--seconds', '2', '--short'), {
    mode: 'profile',
    size: 'short',
    options: { subject: 'five', seconds: 2 }
  })
  t.match(read('--only', 'none,five'), { mode: 'peers', options: { only: ['none', 'five'] } })
  t.match(read('regress', '--against', '/before'), { options: { against: ['/before'] } })
  t.throws(() => read('--smoke', '--short'), /one of them/)
  t.throws(() => read('--write', '--smoke'), /not written down/)
  t.throws(() => read('peers', '--write', '--only', 'none'), /only all of a mode/)
  t.throws(() => read('peers', '--rounds', '1.5'), /whole number/)
  t.throws(() => read('profile', 'five', 'none'), /one mode/)
  t.throws(() => read('--nothing'), /nothing/)
})

t.test('every mode of a whole run has its place in the README', async (t) => {
  const { readFileSync } = await import('node:fs')
  const readme = readFileSync(new URL('../../bench/README.md', import.meta.url), 'utf8')
  for (const { name, inWhole } of modes) {
    const marks = marksOf(name)
    t.equal(readme.includes(marks.begin) && readme.includes(marks.end), inWhole, name)
    t.ok(readme.includes(`\n    npm run bench -- ${name}`), `${name} is described`)
  }
  t.equal(between(readme, 'targets', 'X').includes(`${marksOf('targets').begin}\n\nX\n\n`), true)
  t.throws(() => between('none of it', 'targets', 'X'), /lost the marks/)
  t.equal(new Set(modes.map(({ name }) => name)).size, modes.length)
})

t.test('what is installed from Debian is what is missing, each package once', async (t) => {
  t.same(
    missingPackages(() => true),
    []
  )
  t.same(
    missingPackages((program) => program === 'nginx'),
    ['haproxy', 'wrk', 'nghttp2-client', 'util-linux']
  )
})

t.test('a configuration is one of the files, and what is changed in it', async (t) => {
  t.equal(sidecarOf('none', standardPath).fastLane, false)
  t.equal(sidecarOf('none').fastLane, undefined)
  const { plugins, services, routes } = sidecarOf('five')
  const all = [...(plugins ?? []), ...(services.app?.plugins ?? []), ...(routes[0]?.plugins ?? [])]
  t.equal(all.length, 5)
})
