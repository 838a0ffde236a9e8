import { CHECK, sick } from '../checks.js'
import type { Rule } from '../rule.js'
import { type StageSetup, stage } from '../stage.js'

export const levels: readonly Rule[] = [
  {
    about: 'failover + panic (load-balancer)',
    pairs: [['failover', 'load-balancer']],
    wins:
      'Failover. While the levels together can take the traffic (their healths come to 1) no level panics, however few of its ' +
      'endpoints are usable: the next level takes what one has lost. Only then does `panicThreshold` use those that are out.',
    async test(t) {
      const setup = (names: string[]): StageSetup => ({
        service: [
          { failover: { order: ['priority'] } },
          { 'load-balancer': { policy: 'round-robin', panicThreshold: 0.6 } },
          { 'health-check': CHECK }
        ],
        endpoints: [
          'http://one.test',
          'http://two.test',
          { url: 'http://three.test', priority: 1 },
          { url: 'http://four.test', priority: 1 }
        ],
        upstream: sick(...names)
      })
      const calm = await stage(t, setup(['one', 'two']))
      await calm.clock.advance(500)
      t.match(calm.service().levels, [
        { usable: 0, share: 0, panic: false },
        { usable: 2, share: 1, panic: false }
      ])
      const went = new Set<string>()
      for (let i = 0; i < 10; i++) for (const name of (await calm.request()).tried) went.add(name)
      t.same([...went].sort(), ['four', 'three'])

      const panic = await stage(t, setup(['one', 'two', 'three']))
      await panic.clock.advance(500)
      t.match(panic.service().levels, [
        { usable: 0, panic: true },
        { usable: 1, panic: true }
      ])
      const used = new Set<string>()
      for (let i = 0; i < 10; i++) for (const name of (await panic.request()).tried) used.add(name)
      t.ok(used.has('three'), 'one that is unhealthy is used')
    }
  },
  {
    about: 'failover on a service + load-balancer (zone-aware)',
    pairs: [['failover', 'load-balancer']],
    wins:
      'Both say how endpoints are grouped, and where they say it differently the one listed last holds. What only one of them ' +
      'says (`zone`, `panicThreshold`) holds in either order.',
    async test(t) {
      const zoneAware = { 'load-balancer': { policy: 'zone-aware', zone: 'a' } }
      const byPriority = { failover: { order: ['priority'] } }
      const endpoints = [
        { url: 'http://near.test', zone: 'a', priority: 1 },
        { url: 'http://far.test', zone: 'b' }
      ]
      const zoneLast = await stage(t, { service: [byPriority, zoneAware], endpoints })
      t.same((await zoneLast.request()).tried, ['near'])
      t.match(zoneLast.service().levels[0], { local: true })
      const priorityLast = await stage(t, { service: [zoneAware, byPriority], endpoints })
      t.same((await priorityLast.request()).tried, ['far'])
      t.match(priorityLast.service().levels[0], { local: undefined, priority: 0 })
    }
  },
  {
    about: 'failover on a service + load-balancer (hash, affinity)',
    pairs: [['failover', 'load-balancer']],
    wins:
      'Both. While two levels share the traffic the level is drawn by the key, so that each key has one endpoint still and the levels ' +
      'their shares of the keys; a client that `affinity` keeps stays with its endpoint, whichever level that is in, while it can be used.',
    async test(t) {
      const run = (balancer: object) =>
        stage(t, {
          service: [
            { failover: { order: ['priority'] } },
            { 'load-balancer': balancer },
            { 'health-check': CHECK }
          ],
          endpoints: [
            'http://one.test',
            'http://two.test',
            { url: 'http://three.test', priority: 1 },
            { url: 'http://four.test', priority: 1 }
          ],
          upstream: sick('one')
        })
      const hashed = await run({ policy: 'ring-hash', hashOn: { header: 'x-user' } })
      await hashed.clock.advance(500)
      let next = 0
      for (let user = 0; user < 200; user++) {
        const went = new Set<string>()
        for (let i = 0; i < 4; i++) {
          const { tried } = await hashed.request({ headers: { 'x-user': `user-${user}` } })
          went.add(tried[0] as string)
        }
        if (went.size !== 1) t.fail(`user-${user} went to ${[...went]}`)
        if (!went.has('two')) next++
      }
      t.ok(next > 35 && next < 90, `${next} of 200 keys are at the next level, expected about 60`)

      const kept = await run({ policy: 'round-robin', affinity: { cookie: 'endpoint' } })
      await kept.clock.advance(500)
      const homes = new Set<string>()
      for (let client = 0; client < 20; client++) {
        const { headers, tried } = await kept.request()
        const cookie = headers.get('set-cookie')?.split(';')[0] as string
        for (let i = 0; i < 5; i++) {
          const again = await kept.request({ headers: { cookie } })
          if (again.tried[0] !== tried[0]) t.fail(`from ${tried[0]} to ${again.tried[0]}`)
        }
        homes.add(tried[0] as string)
      }
      t.ok(homes.size > 1, 'of both levels')
    }
  }
]
