// What a pick costs, on a compiled build. Endpoints are plain objects and nothing is sent, so that what is measured is the
// choice and nothing else. One policy a process: what was compiled for another must not matter.
//
//   node picks.mjs DIST ROUNDS CONFIG      says JSON; CONFIG is the plugin's, as JSON
import { pathToFileURL } from 'node:url'

const [build, rounds, config] = process.argv.slice(2)
const { RoundRobin } = await load('core/service/balance/round-robin.js')
const { default: plugin } = await load('plugins/load-balancer/index.js')

function load(file) {
  return import(pathToFileURL(`${build}/${file}`).href)
}

const SIZES = [10, 10_000]
const PICKS = 50_000
/** Keys, so that hashing meets more than one place of its table. */
const KEYS = 4096

function endpointsOf(count, weight) {
  return Object.freeze(
    Array.from({ length: count }, (_, at) => ({
      url: `http://10.${at >> 16}.${(at >> 8) & 255}.${at & 255}:8080`,
      service: 'shop',
      weight: weight(at),
      priority: 0,
      tags: {},
      healthy: true,
      ejectedUntil: 0,
      breaker: 'closed',
      availableSince: 0,
      inFlight: at % 5
    }))
  )
}

const exchanges = Array.from({ length: KEYS }, (_, at) => ({
  request: { path: `/orders/${at}`, query: '', headers: { get: () => `user-${at}`, getAll: () => [] } },
  client: { address: '10.0.0.1' }
}))

async function pickOf(config, endpoints) {
  const kept = new Map()
  const service = {
    name: 'shop',
    endpoints,
    inFlight: endpoints.reduce((sum, { inFlight }) => sum + inFlight, 0),
    arrange() {},
    drawBy() {},
    keep(name, create) {
      const known = kept.get(name) ?? new Map()
      kept.set(name, known)
      return (endpoint) => {
        if (!known.has(endpoint)) known.set(endpoint, create(endpoint))
        return known.get(endpoint)
      }
    }
  }
  const cell = { inc() {} }
  const { pick } = await plugin.setup({
    config: plugin.config.parse(config),
    service,
    clock: { now: () => performance.now() },
    random: Math.random,
    metrics: { counter: () => ({ labels: () => cell }) },
    onClose() {}
  })
  if (pick !== undefined) return (exchange) => pick(endpoints, exchange)
  const balance = new RoundRobin()
  return () => balance.pick(endpoints)
}

/** ns of processor time of one pick, in the round that was disturbed least. */
function timed(pick) {
  let best = Number.POSITIVE_INFINITY
  for (let round = 0; round < Number(rounds); round++) {
    const before = process.cpuUsage()
    for (let i = 0; i < PICKS; i++) pick(exchanges[i % KEYS])
    const { user, system } = process.cpuUsage(before)
    best = Math.min(best, user + system)
  }
  return (best * 1e3) / PICKS
}

const costs = {}
for (const [weights, weight] of [
  ['equal', () => 1],
  ['different', (at) => 1 + (at % 4)]
]) {
  costs[weights] = []
  for (const size of SIZES)
    costs[weights].push(timed(await pickOf(JSON.parse(config), endpointsOf(size, weight))))
}
console.log(JSON.stringify(costs))
