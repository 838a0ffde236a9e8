// The eight ways in which the shop breaks: what the load is, what is done to which service, and how much better the
// plugins must make it.
import { ms, per } from './runner/table.mjs'

/**
 * @typedef {object} Seen
 * @property {ReturnType<import('./runner/figures.mjs').figures>} clients
 * @property {ReturnType<import('./runner/figures.mjs').figures>} [flood] of the client that floods
 * @property {Record<string, number>} asked how many of the requests that count each instance got
 * @property {number} seconds
 *
 * @typedef {object} Stage what a break may do
 * @property {import('./runner/load.mjs').Load} load
 * @property {(instance: string, mood: import('./services/instance.mjs').Mood) => Promise<number>} tell
 * @property {(instance: string) => Promise<void>} kill
 * @property {(instance: string) => Promise<void>} start
 * @property {(what: object) => void} flood one more client, until the end
 * @property {(part: number) => Promise<void>} pause for this part of the time
 *
 * @typedef {object} Break
 * @property {string} what
 * @property {string} plugins what is in the way of it
 * @property {string} sidecar the file of its configuration
 * @property {string[]} services
 * @property {import('./services/instance.mjs').Mood} [usual] how the services are before
 * @property {number} [before] ms of load before it breaks. Default 500
 * @property {object} load see `Load`
 * @property {(stage: Stage) => Promise<unknown>} happens
 * @property {number} [settles] ms from then on that do not count
 * @property {(seen: Seen) => string} also
 * @property {(withPlugins: Seen, without: Seen) => (string | false)[]} must what is not good enough
 */

const all = (service) => [1, 2, 3].map((number) => `${service}-${number}`)
const every = (stage, service, mood) =>
  Promise.all(all(service).map((instance) => stage.tell(instance, mood)))

const total = (asked, service) => all(service).reduce((sum, instance) => sum + asked[instance], 0)
const failed = ({ clients: { requests, goodOnes } }) => `${requests - goodOnes} of ${requests} failed`
const bad = ({ clients }) => 100 - clients.good

/** @type {Break[]} */
export const breaks = [
  {
    what: 'one of three endpoints is killed, and comes back',
    plugins: 'retry, health-check',
    sidecar: '1-killed.yaml',
    services: ['stock'],
    load: { path: '/stock/7', rate: 200 },
    async happens({ kill, start, pause }) {
      await kill('stock-3')
      await pause(0.5)
      await start('stock-3')
    },
    also: failed,
    must: ({ clients }) => [clients.good < 99.5 && `good in ${per(clients.good)}, and not in 99.5 %`]
  },
  {
    what: 'one of three endpoints takes 50 times as long',
    plugins: 'least-response-time',
    sidecar: '2-slow.yaml',
    services: ['catalogue'],
    usual: { time: 20 },
    load: { path: '/catalogue/items/3', rate: 200 },
    happens: ({ tell }) => tell('catalogue-3', { time: 1000 }),
    // Until the first have come back from there.
    settles: 1500,
    also: ({ asked, clients }) => `${asked['catalogue-3']} of ${clients.requests} go to the slow one`,
    must: shorterTail(3)
  },
  {
    what: 'one of three endpoints fails every second time',
    plugins: 'outlier-detection',
    sidecar: '3-failing.yaml',
    services: ['stock'],
    load: { path: '/stock/7', rate: 200 },
    happens: ({ tell }) => tell('stock-3', { failEvery: 2 }),
    also: failed,
    must: fewerFailures(3)
  },
  {
    what: 'payment takes 60 times as long, and then fails',
    plugins: 'circuit-breaker, failover',
    sidecar: '4-outage.yaml',
    services: ['orders', 'payment'],
    load: { path: (number) => `/orders/${number}`, method: 'PUT', rate: 100 },
    happens: (stage) => every(stage, 'payment', { time: 300, failEvery: 1 }),
    also: ({ asked }) => `payment is asked ${total(asked, 'payment')} times`,
    must: (withPlugins, without) => [
      withPlugins.clients.good < 99 && `good in ${per(withPlugins.clients.good)}, and not in 99 %`,
      total(withPlugins.asked, 'payment') > total(without.asked, 'payment') / 4 && 'payment is not left alone'
    ]
  },
  {
    what: 'three times the clients, where 200 requests a second are what there is room for',
    plugins: 'concurrency: adaptive',
    sidecar: '5-crowd.yaml',
    services: ['catalogue'],
    usual: { time: 30, workers: 2 },
    // The limit is found by what is usual, and that must have been seen.
    before: 1500,
    load: { path: '/catalogue/items/3', rate: 150, patience: 1000 },
    async happens({ load }) {
      load.rate *= 3
    },
    // Until those who give up are as many as they are going to be.
    settles: 1500,
    also: ({ clients, seconds }) => {
      if (clients.goodOnes === 0) return 'none is good any more'
      return `${Math.round(clients.goodOnes / seconds)} good ones a second, p99 ${ms(clients.goodP99)}`
    },
    must: ({ clients, seconds }, without) => [
      clients.goodOnes < 2 * without.clients.goodOnes && 'the good ones are not twice as many',
      clients.goodOnes < 100 * seconds && 'the good ones are not half of what there is room for'
    ]
  },
  {
    what: 'one client asks 500 times a second; this is what the others see',
    plugins: 'rate-limit',
    sidecar: '6-flood.yaml',
    services: ['stock'],
    usual: { time: 20, workers: 2 },
    load: { path: '/stock/7', rate: 100, headers: (number) => ({ 'x-api-key': `till-${number % 10}` }) },
    async happens({ flood }) {
      flood({ path: '/stock/7', rate: 500, headers: () => ({ 'x-api-key': 'scraper' }) })
    },
    // Until it has spent what it had saved up.
    settles: 1500,
    also: ({ flood }) => `that one gets ${flood.goodOnes} of ${flood.requests}`,
    must: (withPlugins, without) => [
      withPlugins.clients.good < 99 && `good in ${per(withPlugins.clients.good)}, and not in 99 %`,
      ...shorterTail(2)(withPlugins, without)
    ]
  },
  {
    what: 'one answer in fifty takes a second',
    plugins: 'retry: hedge',
    sidecar: '7-long-tail.yaml',
    services: ['catalogue'],
    load: { path: '/catalogue/items/3', rate: 200 },
    happens: (stage) => every(stage, 'catalogue', { slow: { every: 50, time: 1000 } }),
    also: ({ asked, clients }) => `${total(asked, 'catalogue')} asked for ${clients.requests}`,
    must: shorterTail(2)
  },
  {
    what: 'the new release of orders fails',
    plugins: 'split, outlier-detection',
    sidecar: '8-release.yaml',
    services: ['orders', 'payment'],
    load: { path: (number) => `/orders/${number}`, method: 'PUT', rate: 100 },
    happens: ({ tell }) => tell('orders-3', { failEvery: 1 }),
    also: failed,
    must: fewerFailures(5)
  }
]

function fewerFailures(times) {
  return (withPlugins, without) => [
    bad(withPlugins) > bad(without) / times && `there are not ${times} times fewer failures`
  ]
}

function shorterTail(times) {
  return (withPlugins, without) => [
    withPlugins.clients.p99 > without.clients.p99 / times && `the p99 is not ${times} times shorter`
  ]
}
