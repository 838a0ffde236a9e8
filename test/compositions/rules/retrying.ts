import type { ServerResponse } from 'node:http'
import { text } from 'node:stream/consumers'
import { setTimeout as sleep } from 'node:timers/promises'
import { startTestProxy } from '../../support/proxy.js'
import { startUpstream } from '../../support/upstream.js'
import type { Rule } from '../rule.js'
import { stage } from '../stage.js'

const FAST = { base: 0, max: 0 }

export const retrying: readonly Rule[] = [
  {
    about: 'retry + circuit-breaker',
    pairs: [['retry', 'circuit-breaker']],
    wins:
      'The breaker. It counts every attempt, and no retry goes past one that is open: the next goes to another endpoint, and ' +
      'where none is left the answer that was there goes out. `CIRCUIT_OPEN` is never tried again.',
    async test(t) {
      const run = await stage(t, {
        route: [{ retry: { attempts: 5, on: [503], backoff: FAST } }],
        service: [{ 'circuit-breaker': { failures: 1 } }],
        upstream: () => ({ status: 503 })
      })
      const first = await run.request()
      t.equal(first.status, 503)
      t.equal(first.error, undefined, "the service's own answer")
      t.same([...first.tried].sort(), ['one', 'two'], 'each was opened by its first failure')
      const second = await run.request()
      t.equal(second.error, 'CIRCUIT_OPEN')
      t.same(second.tried, [])
      t.equal(run.seen.length, 2)
      t.equal(run.endpoint('one').breaker.state, 'open')

      const counted = await stage(t, {
        route: [{ retry: { attempts: 3, on: [503], backoff: FAST } }],
        service: [{ 'circuit-breaker': { failures: 5 } }],
        endpoints: ['http://one.test'],
        upstream: () => ({ status: 503 })
      })
      t.same(await counted.statuses(3), [503, 503, 'CIRCUIT_OPEN'])
      t.equal(counted.seen.length, 5, 'three attempts and two: the fifth opened it')
    }
  },
  {
    about: 'retry + outlier-detection',
    pairs: [['retry', 'outlier-detection']],
    wins:
      'Both. Each attempt counts against its own endpoint, whatever the request came to in the end; so while clients are ' +
      'served by the second attempt the endpoint collects the failures that take it out, and is out for the retry that follows.',
    async test(t) {
      const run = await stage(t, {
        endpoints: ['http://one.test', 'http://two.test', 'http://three.test'],
        route: [{ retry: { on: [503], backoff: FAST } }],
        service: [{ 'outlier-detection': { consecutiveErrors: 3 } }],
        upstream: ({ endpoint }) => ({ status: endpoint.includes('one') ? 503 : 200 })
      })
      t.same(new Set(await run.statuses(30)), new Set([200]))
      t.equal(run.counts.one, 3)
      t.ok(run.endpoint('one').ejectedFor > 0)
      t.equal(run.endpoint('two').ejectedFor, 0)

      const again = await stage(t, {
        route: [{ retry: { attempts: 2, on: [503], backoff: FAST, avoidTried: false } }],
        service: [{ 'outlier-detection': { consecutiveErrors: 1 } }],
        random: () => 0,
        upstream: ({ index }) => ({ status: index === 0 ? 503 : 200 })
      })
      t.same((await again.request()).tried, ['one', 'two'], 'the ejection holds for the retry that follows')
    }
  },
  {
    about: 'retry + timeout',
    pairs: [['retry', 'timeout']],
    wins:
      "The shorter of `retry`'s `attemptTimeout` and `timeout`'s `attempt` holds, whichever is listed first. An attempt that ran " +
      "out of time is tried again where `on` has `timeout`; `timeout`'s `request` is the time of all attempts together.",
    async test(t) {
      const retry = { retry: { attempts: 10, on: ['timeout'], attemptTimeout: 200, backoff: FAST } }
      const timeout = { timeout: { attempt: 100, request: 350 } }
      for (const route of [
        [retry, timeout],
        [timeout, retry]
      ]) {
        const run = await stage(t, { route, upstream: () => new Promise(() => {}) })
        const { error, tried, took } = await run.request()
        t.equal(error, 'DEADLINE_EXCEEDED')
        t.ok(took >= 350 && took < 400, `${took} ms`)
        t.equal(tried.length, 4, 'of 100 ms each, and the last of what was left')
      }
      const run = await stage(t, {
        route: [{ retry: { attempts: 2, on: ['timeout'], backoff: FAST } }, timeout],
        upstream: ({ endpoint }) => (endpoint.includes('one') ? new Promise(() => {}) : {})
      })
      t.same(await run.statuses(2), [200, 200])
    }
  },
  {
    about: 'retry + failover',
    pairs: [['retry', 'failover']],
    wins:
      "The one listed first. `retry`, then `failover`: the service's own endpoints are tried as often as `retry` says, and then " +
      'the standby. `failover` first: the standby at once. Attempts are counted over the whole exchange, so `retry` has none left ' +
      'for the standby when it has spent them. A service with nobody left to ask is left at once, in either order.',
    async test(t) {
      const retry = { retry: { attempts: 2, on: ['5xx'], backoff: FAST } }
      const failover = { failover: { services: ['standby'] } }
      const services = { standby: { endpoints: ['http://standby.test'] } }
      const upstream = ({ endpoint }: { endpoint: string }) => ({
        status: endpoint.includes('standby') ? 200 : 503
      })
      const first = await stage(t, { route: [retry, failover], services, upstream })
      t.same((await first.request()).tried, ['one', 'two', 'standby'])
      const last = await stage(t, { route: [failover, retry], services, upstream })
      t.same((await last.request()).tried, ['one', 'standby'])

      const spent = await stage(t, { route: [retry, failover], services, upstream: () => ({ status: 503 }) })
      t.same((await spent.request()).tried, ['one', 'two', 'standby'])

      const alone = await stage(t, {
        route: [retry, failover],
        services,
        upstream,
        endpoints: ['http://one.test'],
        service: [{ 'circuit-breaker': { failures: 1 } }]
      })
      t.same((await alone.request()).tried, ['one', 'standby'], 'its only endpoint has just been opened')
      t.same((await alone.request()).tried, ['standby'])
    }
  },
  {
    about: 'retry, failover + fault',
    pairs: [
      ['retry', 'fault'],
      ['failover', 'fault']
    ],
    wins:
      'The fault. An error injected is the answer, on a service too: no endpoint was tried, so there is nothing to try again and ' +
      'nothing to fail over from.',
    async test(t) {
      const rest = {
        route: [
          { retry: { on: ['5xx'], backoff: FAST } },
          { failover: { services: ['standby'], reply: { status: 200 } } }
        ],
        services: { standby: { endpoints: ['http://standby.test'] } }
      }
      const fault = { fault: { abort: { status: 503 } } }
      for (const setup of [
        { ...rest, service: [fault] },
        { ...rest, route: [...rest.route, fault] },
        { ...rest, route: [fault, ...rest.route] }
      ]) {
        const run = await stage(t, setup)
        t.same(await run.statuses(2), ['FAULT_INJECTED', 'FAULT_INJECTED'])
        t.equal(run.seen.length, 0)
      }
    }
  },
  {
    about: 'retry, failover + rate-limit',
    pairs: [
      ['retry', 'rate-limit'],
      ['failover', 'rate-limit']
    ],
    wins: 'A request counts once, however many attempts it comes to, hedges among them. `RATE_LIMITED` is never tried again, nor failed over.',
    async test(t) {
      const run = await stage(t, {
        route: [
          { retry: { attempts: 2, on: ['5xx'], backoff: FAST } },
          { failover: { services: ['standby'] } },
          { 'rate-limit': { requests: 2, per: '1m' } }
        ],
        services: { standby: { endpoints: ['http://standby.test'] } },
        upstream: ({ endpoint }) => ({ status: endpoint.includes('standby') ? 200 : 503 })
      })
      t.same(await run.statuses(3), [200, 200, 'RATE_LIMITED'])
      t.same(run.counts, { one: 2, two: 2, standby: 2 })
    }
  },
  {
    about: 'retry + concurrency',
    pairs: [['retry', 'concurrency']],
    wins:
      'On a route a request holds one place for all of its attempts and the waits between them; on a service each attempt takes ' +
      'one, and gives it back before the next is made. `OVERLOADED` is never tried again.',
    async test(t) {
      const retry = { retry: { attempts: 2, on: [503], backoff: { base: 100, max: 100 } } }
      const concurrency = { concurrency: { limit: 1, queue: 0 } }
      const upstream = ({ index }: { index: number }) => ({ status: index === 0 ? 503 : 200 })
      const random = () => 0.99
      for (const [setup, meanwhile] of [
        [{ route: [retry, concurrency] }, 'OVERLOADED'],
        [{ route: [retry], service: [concurrency] }, undefined]
      ] as const) {
        const run = await stage(t, { ...setup, upstream, random })
        const one = run.begin()
        await run.clock.advance(50)
        const other = await run.request()
        t.equal(other.error, meanwhile, 'while the first waits for its second attempt')
        const { status, tried } = await one.end()
        t.same([status, tried.length], [200, 2])
      }
      const full = await stage(t, {
        route: [retry],
        service: [concurrency],
        upstream: async (_request, clock) => {
          await clock.sleep(30)
          return {}
        }
      })
      const one = full.begin()
      const refused = await full.begin().end()
      t.equal(refused.error, 'OVERLOADED')
      t.equal(refused.took, 0)
      t.equal((await one.end()).status, 200)
      t.equal(full.seen.length, 1)
    }
  },
  {
    about: 'retry + admission',
    pairs: [['retry', 'admission']],
    wins:
      'On a route `admission` judges requests by what they came to: what a retry made good is good. On a service it judges ' +
      'attempts. What it rejects is never tried again.',
    async test(t) {
      const retry = { retry: { attempts: 2, on: [503], backoff: FAST } }
      const admission = { admission: { minRequests: 5 } }
      const upstream = ({ endpoint }: { endpoint: string }) => ({
        status: endpoint.includes('one') ? 503 : 200
      })
      for (const route of [
        [retry, admission],
        [admission, retry]
      ]) {
        const run = await stage(t, { route, upstream })
        t.same(new Set(await run.statuses(60)), new Set([200]))
      }
      const run = await stage(t, { route: [retry], service: [admission], upstream })
      const statuses = await run.statuses(60)
      const rejected = statuses.filter((status) => status === 'OVERLOADED').length
      t.ok(rejected > 5, `${rejected} of 60 were rejected`)
      t.match(await run.metrics(), new RegExp(`outrigger_admission_rejected_total\\{.*\\} ${rejected}\n`))
    }
  },
  {
    about: 'retry + mirror',
    pairs: [['retry', 'mirror']],
    wins: 'A request is mirrored once, when it is over, however many attempts it came to.',
    async test(t) {
      const run = await stage(t, {
        route: [{ retry: { on: [503], backoff: FAST } }, { mirror: { service: 'next' } }],
        services: { next: { endpoints: ['http://next.test'] } },
        upstream: ({ endpoint }) => ({ status: endpoint.includes('next') ? 200 : 503 })
      })
      t.equal((await run.request({ url: '/orders/1' })).tried.length, 3)
      await run.clock.advance(1)
      t.equal(run.counts.next, 1)
      t.equal(run.seen.at(-1)?.endpoint, 'http://next.test', 'the copy is the last to go out')

      // On real sockets: one connection breaks with the body in it, and neither the next attempt nor the copy lacks a byte.
      const body = 'lamp '.repeat(4_000)
      const bodies: string[] = []
      const reading = (answer: (response: ServerResponse) => void) =>
        startUpstream(t, async (request, response) => {
          bodies.push(await text(request))
          answer(response)
        })
      const breaks = await reading((response) => response.destroy())
      const serves = await reading((response) => response.end('served'))
      const copies = await reading((response) => response.end())
      const started = await startTestProxy(t, {
        endpoints: [breaks.url, serves.url],
        plugins: [
          { retry: { on: ['reset'], nonIdempotent: true, backoff: FAST } },
          { mirror: { service: 'next' } }
        ],
        config: {
          services: {
            upstream: { endpoints: [breaks.url, serves.url] },
            next: { endpoints: [copies.url] }
          }
        }
      })
      const answer = await fetch(started.url(), { method: 'POST', body })
      t.equal(await answer.text(), 'served')
      for (let i = 0; copies.count === 0 && i < 200; i++) await sleep(10)
      t.same(bodies, [body, body, body])
    }
  },
  {
    about: 'retry, failover + rewrite',
    pairs: [
      ['retry', 'rewrite'],
      ['failover', 'rewrite']
    ],
    wins:
      'On a route a request is rewritten once, and every attempt, on a standby service too, goes out as rewritten. On a service ' +
      'each attempt is rewritten by itself, on that service alone.',
    async test(t) {
      const retry = { retry: { attempts: 2, on: [503], backoff: FAST } }
      const rewrite = {
        rewrite: { path: { prefix: '/api', with: '' }, request: { append: { 'x-by': 'route' } } }
      }
      const run = await stage(t, {
        route: [retry, { failover: { services: ['standby'] } }, rewrite],
        service: [{ rewrite: { request: { append: { 'x-by': 'service' } } } }],
        services: { standby: { endpoints: ['http://standby.test'] } },
        upstream: () => ({ status: 503 })
      })
      await run.request({ url: '/api/api/orders' })
      t.same(
        run.seen.map(({ path, headers }) => [path, headers.get('x-by')]),
        [
          ['/api/orders', 'route, service'],
          ['/api/orders', 'route, service'],
          ['/api/orders', 'route']
        ]
      )
    }
  }
]
