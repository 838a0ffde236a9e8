import { setTimeout as sleep } from 'node:timers/promises'
import { startTestProxy } from '../../support/proxy.js'
import { startUpstream } from '../../support/upstream.js'
import type { Rule } from '../rule.js'
import { type StageSetup, stage } from '../stage.js'

/** `slow` answers after 300 ms, the others at once. */
const upstream: StageSetup['upstream'] = async ({ endpoint }, clock) => {
  if (endpoint.includes('slow')) await clock.sleep(300)
  return {}
}
const endpoints = ['http://slow.test', 'http://two.test', 'http://three.test']
const hedged = { retry: { hedge: { after: 50 } } }

export const hedging: readonly Rule[] = [
  {
    about: 'hedge + budget (both of retry)',
    pairs: [['retry', 'retry']],
    wins:
      'The budget. A hedge takes a place in it as a retry does, and where there is none the first attempt goes on alone: a ' +
      'service that is slow for everyone is not sent everything twice.',
    async test(t) {
      const run = await stage(t, {
        route: [{ retry: { hedge: { after: 50 }, budget: { ratio: 0, min: 1 } } }],
        endpoints: ['http://slow.test', 'http://slow-too.test'],
        upstream
      })
      const all = [run.begin(), run.begin(), run.begin()]
      const answers = await Promise.all([all[0]?.end(), all[1]?.end(), all[2]?.end()])
      t.same(
        answers.map((answer) => answer?.tried.length),
        [2, 1, 1],
        'one of three was hedged'
      )
      t.match(
        await run.metrics(),
        /outrigger_retry_budget_exhausted_total\{route="orders",reason="hedge"\} 2/
      )
      t.equal(run.limits().find(({ name }) => name === 'retry budget')?.used, 0)
    }
  },
  {
    about: 'hedge + circuit-breaker',
    pairs: [['retry', 'circuit-breaker']],
    wins:
      "The attempt that a hedge has beaten is no failure and no success: it does not open a breaker, and it does not end another's " +
      'count. A hedge goes to no endpoint whose breaker is open.',
    async test(t) {
      const run = await stage(t, {
        route: [hedged],
        service: [{ 'circuit-breaker': { failures: 1 } }],
        endpoints,
        upstream
      })
      t.same(new Set(await run.statuses(12)), new Set([200]))
      t.ok((run.counts.slow ?? 0) >= 3, 'it was tried again and again')
      for (const { breaker } of run.service().endpoints) t.equal(breaker.state, 'closed')

      const opened = await stage(t, {
        route: [hedged],
        service: [{ 'circuit-breaker': { failures: 1 } }],
        endpoints: ['http://slow.test', 'http://bad.test'],
        upstream: async (request, clock) =>
          request.endpoint.includes('bad') ? { status: 503 } : ((await upstream(request, clock)) as object)
      })
      t.same((await opened.statuses(2)).sort(), [200, 503])
      t.equal(opened.endpoint('bad').breaker.state, 'open')
      t.same((await opened.request()).tried, ['slow'], 'there is nobody to hedge with')
    }
  },
  {
    about: 'hedge + outlier-detection',
    pairs: [['retry', 'outlier-detection']],
    wins:
      'The attempt that a hedge has beaten counts neither as an error nor as a success. To be rid of a slow endpoint use ' +
      '`load-balancer: { policy: least-response-time }`, or an attempt timeout, which is an error.',
    async test(t) {
      const run = await stage(t, {
        route: [hedged],
        service: [{ 'outlier-detection': { consecutiveErrors: 1, maxEjectedPercent: 50 } }],
        endpoints,
        upstream
      })
      t.same(new Set(await run.statuses(12)), new Set([200]))
      t.same(
        run.service().endpoints.map(({ ejections }) => ejections),
        [0, 0, 0]
      )
    }
  },
  {
    about: 'hedge + concurrency',
    pairs: [['retry', 'concurrency']],
    wins:
      "On a service a hedge takes a place of its own. Where it gets none it is given up, and the first attempt's answer goes out: " +
      'a full service is no reason to fail a request that is under way.',
    async test(t) {
      for (const queue of [0, 5]) {
        const run = await stage(t, {
          route: [hedged],
          service: [{ concurrency: { limit: 1, queue } }],
          endpoints: ['http://slow.test', 'http://two.test'],
          upstream
        })
        const { status, took } = await run.request()
        t.equal(status, 200)
        t.ok(took >= 300 && took < 320, `${took} ms`)
        t.same(run.counts, { slow: 1 })
        t.match(run.service().limits, [{ name: 'concurrency', used: 0, waiting: 0 }])
      }
      const run = await stage(t, {
        route: [hedged],
        service: [{ concurrency: { limit: 2, queue: 0 } }],
        endpoints: ['http://slow.test', 'http://two.test'],
        upstream
      })
      const { took } = await run.request()
      t.ok(took >= 50 && took < 70, `${took} ms`)
      t.match(run.service().limits, [{ name: 'concurrency', used: 0 }])

      // On real sockets: whoever is beaten has its connection cut, and what it held is free.
      let isCut = false
      const slow = await startUpstream(t, (request, response) => {
        response.on('close', () => {
          isCut = true
        })
        request.resume()
      })
      const fast = await startUpstream(t, (_request, response) => response.end('fast'))
      const started = await startTestProxy(t, {
        endpoints: [slow.url, fast.url],
        plugins: [hedged],
        service: { plugins: [{ concurrency: { limit: 2, queue: 0 } }] }
      })
      t.equal(await (await fetch(started.url())).text(), 'fast')
      for (let i = 0; !isCut && i < 200; i++) await sleep(10)
      t.ok(isCut)
      t.match(started.proxy.services()[0], {
        inFlight: 0,
        limits: [{ name: 'concurrency', used: 0 }],
        endpoints: [{ inFlight: 0 }, { inFlight: 0 }]
      })
    }
  },
  {
    about: 'hedge + load-balancer (least-response-time)',
    pairs: [['retry', 'load-balancer']],
    wins:
      'Both. What a beaten attempt took until it was cancelled counts as its response time, so that an endpoint which is always ' +
      'beaten gets less: hedges become few by themselves. A hedge goes to another endpoint than those under way, by the same policy.',
    async test(t) {
      const run = await stage(t, {
        route: [hedged],
        service: [{ 'load-balancer': { policy: 'least-response-time' } }],
        endpoints,
        upstream
      })
      await run.statuses(60)
      t.ok((run.counts.slow ?? 0) <= 6, `${run.counts.slow} of 60 went to the slow one`)
      t.ok((run.counts.slow ?? 0) > 0)
    }
  },
  {
    about: 'hedge + fault',
    pairs: [['retry', 'fault']],
    wins:
      "A delay injected on a service is no part of an attempt's time: what the hedge waits for begins when the attempt is sent. To " +
      'see hedges at work let an endpoint be slow.',
    async test(t) {
      const run = await stage(t, {
        route: [hedged],
        service: [{ fault: { delay: { for: 200 } } }]
      })
      const { tried, took } = await run.request()
      t.equal(tried.length, 1)
      t.ok(took >= 200)
    }
  },
  {
    about: 'hedge + failover',
    pairs: [['retry', 'failover']],
    wins:
      'While one of two attempts may still answer, nothing goes on to another service: the other is waited for. When the last of them has ' +
      'failed as well, it is as with one attempt that did.',
    async test(t) {
      for (const [second, expected] of [
        [200, ['slow', 'slower']],
        [503, ['slow', 'slower', 'standby']]
      ] as const) {
        const run = await stage(t, {
          route: [{ failover: { services: ['standby'] } }, { retry: { attempts: 1, hedge: { after: 50 } } }],
          endpoints: ['http://slow.test', 'http://slower.test'],
          services: { standby: { endpoints: ['http://standby.test'] } },
          upstream: async ({ endpoint }, clock) => {
            if (endpoint.includes('standby')) return {}
            await clock.sleep(endpoint.includes('slower') ? 100 : 70)
            return { status: endpoint.includes('slower') ? second : 503 }
          }
        })
        const { status, tried } = await run.request()
        t.same([status, tried], [200, expected])
      }
    }
  },
  {
    about: "retry, hedge + circuit-breaker's limits",
    pairs: [['retry', 'circuit-breaker']],
    wins:
      "The smaller bound. `maxRetries` holds beside retry's own budget: past it there is no retry and no hedge, and the answer that was " +
      'there goes out. What `maxRequests` refuses (`OVERLOADED`) is never tried again.',
    async test(t) {
      const retry = { retry: { on: [503], backoff: { base: 0, max: 0 }, hedge: { after: 50 } } }
      const run = await stage(t, {
        route: [retry],
        service: [{ 'circuit-breaker': { failures: 0, maxRetries: 0 } }],
        endpoints: ['http://bad.test', 'http://slow.test'],
        upstream: async (request, clock) =>
          request.endpoint.includes('bad') ? { status: 503 } : ((await upstream(request, clock)) as object)
      })
      const answers = [await run.request(), await run.request()]
      t.same(
        answers.map(({ status, error, tried }) => [status, error, tried]),
        [
          [503, undefined, ['bad']],
          [200, undefined, ['slow']]
        ]
      )
      const full = await stage(t, {
        route: [retry],
        service: [{ 'circuit-breaker': { failures: 0, maxRequests: 1, per: 'service' } }],
        endpoints,
        upstream
      })
      const first = full.begin()
      t.equal((await full.begin().end()).error, 'OVERLOADED')
      t.equal((await first.end()).tried.length, 1, 'nor is there room for its hedge')
    }
  }
]
