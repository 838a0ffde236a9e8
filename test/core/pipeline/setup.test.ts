// Plugins as a configuration is built: what they need, what setup may do, and what is closed.
import t from 'tap'
import { ConfigError, definePlugin, key, type Plugin, Reply, StartError } from '../../../core/index.js'
import { checkNeeds } from '../../../core/pipeline/needs.js'
import { configOf, type PipelineSetup, TestPipeline } from '../../support/pipeline.js'

const identity = key<string>('identity')
const provides = definePlugin({
  name: 'gives',
  provides: [identity],
  setup: () => ({ request: (e) => e.set(identity, 'me') })
})
const needs = definePlugin({ name: 'takes', needs: [identity], setup: () => ({}) })

function problems(setup: PipelineSetup): string[] {
  try {
    checkNeeds(configOf(setup))
    return []
  } catch (error) {
    t.type(error, ConfigError)
    return (error as ConfigError).problems.map(({ at, message }) => `${at}: ${message}`)
  }
}

t.test('needs: what is before may be at the top, on the route, or before on the service', async (t) => {
  for (const setup of [
    { top: [provides, needs] },
    { top: [provides], route: [needs] },
    { route: [provides, needs] },
    { route: [provides], service: [needs] },
    { top: [provides], service: [needs] }
  ])
    t.same(problems(setup), [])
})

t.test('needs: each message', async (t) => {
  const none = (where: string) => `takes: takes needs "identity", which no plugin before it provides ${where}`
  const behind = 'takes: takes needs "identity": list it behind gives, which provides it'
  t.same(problems({ route: [needs] }), [none('on route route')])
  t.match(problems({ top: [needs] }), [/^takes: takes needs "identity", which no plugin before it provides/])
  t.same(problems({ route: [needs, provides] }), [behind])
  t.match(
    problems({ top: [needs], route: [provides] })[0],
    /list it behind gives|no plugin before it provides/
  )
  t.match(problems({ service: [needs] })[0], /no plugin before it provides on route route/)
  const two = definePlugin({ name: 'more', needs: [key('a'), key('b')], setup: () => ({}) })
  t.equal(problems({ route: [two] }).length, 2, 'all of them at once')
})

t.test('needs: a service that several routes lead to is checked on each', async (t) => {
  const found = problems({
    service: [needs],
    routes: [
      { name: 'good', plugins: configOf({ route: [provides] }).routes[0]?.plugins ?? [] },
      { name: 'bad' }
    ]
  })
  t.match(found.join(), /on route bad/)
})

t.test('a value crosses from provider to consumer by its key, which is its name', async (t) => {
  let got: unknown
  const takes = definePlugin({
    name: 'takes',
    needs: [identity],
    setup: () => ({ request: (exchange) => void (got = exchange.get(key('identity'))) })
  })
  const run = await TestPipeline.build({ top: [provides], route: [takes] })
  const { exchange } = await run.request()
  t.equal(got, 'me')
  t.equal(exchange.get(key('other')), undefined)
  await run.close()
})

function watched(name: string, trace: string[], then?: () => unknown): Plugin {
  return definePlugin({
    name,
    async setup({ onClose, place }) {
      trace.push(`setup ${name} ${place.kind} ${place.name}`)
      onClose(() => void trace.push(`first of ${name}`))
      onClose(async () => void trace.push(`second of ${name}`))
      return (await then?.()) as never
    }
  })
}

t.test('set up in order and closed the other way round, each function too', async (t) => {
  const trace: string[] = []
  const run = await TestPipeline.build({
    top: [watched('t', trace)],
    service: [watched('s', trace)],
    route: [watched('r', trace)]
  })
  t.same(trace, ['setup t top *', 'setup s service upstream', 'setup r route route'])
  trace.length = 0
  await run.close()
  t.same(trace, ['second of r', 'first of r', 'second of s', 'first of s', 'second of t', 'first of t'])
})

t.test('one setup that fails closes it and all before it, and says which it was', async (t) => {
  const bad: [string, () => unknown, RegExp][] = [
    [
      'throws',
      () => {
        throw new Error('no licence')
      },
      /^bad: plugin bad on route route could not be set up: no licence$/
    ],
    [
      'throws no Error',
      () => {
        throw 'no licence'
      },
      /could not be set up: no licence$/
    ],
    ['rejects', () => Promise.reject(new Error('no licence')), /no licence/],
    [
      'an unknown hook',
      () => ({ onRequest: () => {} }),
      /setup returned "onRequest", which is no hook; hooks are request, /
    ],
    ['no function', () => ({ request: 'x' }), /hook request is not a function/],
    ['no object', () => 'hooks', /setup returns an object of hooks, not string/],
    ['a function', () => () => {}, /setup returns an object of hooks, not function/],
    ['null', () => null, /^$/],
    ['never resolves', () => new Promise(() => {}), /setup took longer than 30 s/]
  ]
  for (const [what, then, message] of bad) {
    const trace: string[] = []
    const building = TestPipeline.build(
      { top: [watched('t', trace)], route: [watched('bad', trace, then), watched('never', trace)] },
      true
    )
    if (what === 'null') {
      await (await building).close()
      continue
    }
    const failure = await building.then(
      () => undefined,
      (error) => error
    )
    t.type(failure, StartError, what)
    t.match(failure?.message, message, what)
    t.same(
      trace,
      [
        'setup t top *',
        'setup bad route route',
        'second of bad',
        'first of bad',
        'second of t',
        'first of t'
      ],
      what
    )
  }
})

t.test('an onClose that throws, or never ends, holds up no other', async (t) => {
  const trace: string[] = []
  const awkward = definePlugin({
    name: 'awkward',
    setup({ onClose }) {
      onClose(() => void trace.push('last'))
      onClose(() => {
        throw new Error('stuck')
      })
      onClose(() => Promise.reject(new Error('stuck too')))
      onClose(() => new Promise<void>(() => {}))
    }
  })
  const run = await TestPipeline.build({ top: [watched('t', trace)], route: [awkward] })
  trace.length = 0
  let closed = false
  const closing = run.close().then(() => {
    closed = true
  })
  for (let i = 0; i < 20 && !closed; i++) await run.clock.advance(500)
  await closing
  t.same(trace, ['last', 'second of t', 'first of t'])
  t.equal(run.log.lines.filter(({ message }) => message === 'onClose failed').length, 2)
  t.ok(run.log.lines.some(({ message }) => /left behind/.test(message)))
})

t.test('a setup that only looks like a promise is waited for', async (t) => {
  const thenable = definePlugin({
    name: 'thenable',
    setup: () =>
      ({
        // biome-ignore lint/suspicious/noThenProperty: another library's promise is one
        then: (resolve: (hooks: object) => void) => resolve({ request: () => new Reply(418) })
      }) as never
  })
  const run = await TestPipeline.build({ route: [thenable] })
  t.equal((await run.request()).status, 418)
  await run.close()
})

t.test('hooks that a service’s plugins are not asked in are warned of', async (t) => {
  const run = await TestPipeline.build({
    service: [definePlugin({ name: 'misplaced', setup: () => ({ request: () => {}, outcome: () => {} }) })]
  })
  t.ok(run.log.lines.some(({ level, message }) => level === 'warn' && /do not run: request$/.test(message)))
  await run.close()
})

t.test('one instance for each place it is listed in, one for a service whatever leads to it', async (t) => {
  let setups = 0
  const counts = definePlugin({ name: 'counts', setup: () => void setups++ })
  const run = await TestPipeline.build({
    top: [counts],
    service: [counts],
    routes: [{ name: 'a' }, { name: 'b' }]
  })
  t.equal(setups, 2)
  await run.close()
})

t.test('definePlugin refuses what is none', async (t) => {
  for (const name of ['', 'A', 'a_b', '-a', 'a--b', 'a-', '1a', undefined])
    t.throws(() => definePlugin({ name: name as string, setup: () => {} }), TypeError, String(name))
  t.throws(() => definePlugin({ name: 'a', setup: {} as never }), TypeError)
  t.throws(() => definePlugin({ name: 'a' } as never), TypeError)
})
