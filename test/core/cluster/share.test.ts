import { availableParallelism } from 'node:os'
import t from 'tap'
import { shareOf } from '../../../core/cluster/share.js'
import { loadConfig } from '../../../core/config/load.js'
import { host } from '../../../plugins/host.js'

const shared = async (workers: object, of: number) => {
  const listeners = { in: { address: '127.0.0.1:0', maxConnections: 101 } }
  return shareOf(await loadConfig({ processes: of, listeners, workers }, { host }), { number: 1, of })
}

t.test('what one of several processes makes of a configuration', async (t) => {
  const share = await shared({}, 2)
  t.equal(share.listeners.get('in')?.maxConnections, 51)
  t.equal(share.admin, undefined)
  t.equal(share.processes, 1)
  t.equal(share.workers.threads, Math.max(1, Math.floor((availableParallelism() - 1) / 2)))
  t.equal(share.workers.maxQueue, 64 * share.workers.threads)
})

t.test('as many threads as are written are in each', async (t) => {
  const { workers } = await shared({ threads: 6, maxQueue: 7 }, 3)
  t.equal(workers.threads, 6)
  t.equal(workers.maxQueue, 7)
})
