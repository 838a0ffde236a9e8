// Every case of cases/, through a proxy on real sockets.
import t from 'tap'
import { groups } from './cases/index.js'
import { CaseUpstream, perform } from './perform.js'
import { startWireProxy } from './proxy.js'
import { problemsOf } from './verdict.js'

for (const { title, cases } of groups) {
  t.test(title, async (t) => {
    const upstream = await CaseUpstream.start(t)
    const proxy = await startWireProxy(upstream.url)
    t.teardown(() => proxy.close())
    const under = { url: (setup: string) => proxy.url(setup), upstream, patience: 4_000 }
    for (const one of cases) {
      const problems = await perform(one, under).then(
        (seen) => problemsOf(one.expect, seen),
        (error: Error) => [error.message]
      )
      t.same(problems, [], `${one.id}: ${one.says}`)
    }
    t.equal(proxy.proxy.inFlight, 0, 'nothing is left under way')
  })
}
