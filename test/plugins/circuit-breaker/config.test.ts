import t from 'tap'
import { runPlugin } from '../../../core/testing/index.js'
import { config, rulesOf } from '../../../plugins/circuit-breaker/config.js'
import breaker from '../../../plugins/circuit-breaker/index.js'
import { wait } from '../../../plugins/circuit-breaker/reset.js'

t.test('which rules a configuration makes', async (t) => {
  const rules = (given: object) => rulesOf(config.parse(given))
  t.same(
    rules({}),
    { failures: 5, failureRate: undefined, window: 10_000, minRequests: 5 },
    'a bare one: the classic pair'
  )
  t.equal(config.parse({}).reset, 60_000)
  t.equal(rules({ failureRate: 0.2 }).failures, 0, 'a rate alone: no other rule')
  t.match(rules({ failures: 3, failureRate: 0.5, window: '30s', minRequests: 20 }), {
    failures: 3,
    failureRate: 0.5,
    window: 30_000,
    minRequests: 20
  })
  t.equal(rules({ maxRequests: 10 }).failures, 5, 'limits beside it leave it as it is')
  t.equal(rules({ failures: false, maxRequests: 10 }).failures, 0, 'unless it is switched off')
})

t.test('what is wrong is told at load, by key', async (t) => {
  const wrong: [given: object, key: string, message: RegExp][] = [
    [{ failures: -1 }, 'failures', /./],
    [{ failures: true }, 'failures', /expected a whole number from 0 to 10000 or false, not true/],
    [{ failures: 0 }, 'failures', /expected failureRate or a limit beside 0/],
    [{ failures: false }, 'failures', /expected failureRate or a limit beside false/],
    [{ failureRate: 0 }, 'failureRate', /./],
    [{ failureRate: 20 }, 'failureRate', /./],
    [{ window: '5s' }, 'window', /expected failureRate beside it/],
    [{ failures: 3, minRequests: 5 }, 'minRequests', /expected failureRate beside it/],
    [{ reset: 0 }, 'reset', /./],
    [
      { reset: '10s', maxReset: '5s' },
      'maxReset',
      /expected no less than reset, which is 10000 ms, not 5000 ms/
    ],
    [{ jitter: 2 }, 'jitter', /./],
    [{ per: 'route' }, 'per', /./],
    [{ maxRequests: 0 }, 'maxRequests', /./],
    [{ maxRetries: -1 }, 'maxRetries', /./]
  ]
  for (const [given, key, message] of wrong) {
    const issues = config.safeParse(given).error?.issues
    t.match(issues, [{ path: [key], message }], JSON.stringify(given))
  }
  t.throws(() => runPlugin(breaker, { threshold: 5 }), 'an unknown key')
})

t.test('how long it stays open: doubling up to maxReset, with jitter on top and never past it', async (t) => {
  const max = () => 0.999_999
  const linkerd = { reset: 1_000, maxReset: 60_000, jitter: 0.5 }
  t.same(
    [0, 1, 2, 3, 4, 5, 6, 7, 50].map((openings) => wait(openings, linkerd, () => 0)),
    [1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000, 60_000]
  )
  t.same(
    [0, 1, 5, 6].map((openings) => Math.round(wait(openings, linkerd, max))),
    [1_500, 3_000, 48_000, 60_000]
  )
  const steady = { reset: 60_000, jitter: 0 }
  t.same(
    [0, 1, 9].map((openings) => wait(openings, steady, max)),
    [60_000, 60_000, 60_000]
  )
  t.equal(Math.round(wait(3, { reset: 60_000, jitter: 0.1 }, max)), 66_000)
})
