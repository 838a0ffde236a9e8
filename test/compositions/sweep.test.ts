// Every plugin beside every other, in both orders and in every place where both may stand, and across places: whatever they
// decide, every request ends, once, and nothing stays behind.
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import type { Place } from '../../core/index.js'
import { builtins } from '../../plugins/index.js'
import { keepAccessLog, Stage, type StageSetup, seeded, type Under } from './stage.js'
import { API_KEY, listingOf, PLUGINS, type PluginName } from './uses.js'

const PLACES = ['top', 'route', 'service'] as const
const HEADERS = { 'x-api-key': API_KEY }

/** grpc.health.v1 with an empty message. */
const HEALTH_CALL = {
  method: 'POST',
  url: '/grpc.health.v1.Health/Check',
  headers: { 'content-type': 'application/grpc' },
  body: new Uint8Array(5)
}

interface Standing {
  readonly name: PluginName
  readonly place: Place
}

const placesOf = new Map<PluginName, readonly Place[]>()
const folder = t.testdir({})
const logFile = join(folder, 'access.log')
const rejections: unknown[] = []
process.on('unhandledRejection', (reason) => rejections.push(reason))

t.before(async () => {
  for (const name of PLUGINS) {
    const { places = PLACES } = (await builtins.get(name)?.()) ?? {}
    placesOf.set(name, places)
  }
  await keepAccessLog(t, folder)
})

/** ms that the route gives an exchange, whatever its plugins do with it; deadlines are looked after every 20 ms. */
const TIMEOUT = 150
const LONGEST = TIMEOUT + 20

const ENDPOINTS = [
  { url: 'http://one.test', zone: 'a', tags: { version: 'v1' } },
  { url: 'http://two.test', zone: 'a', tags: { version: 'v2' } },
  { url: 'http://three.test', zone: 'b', priority: 1, tags: { version: 'v2' } }
]

const SERVICES = {
  standby: { endpoints: ['http://standby.test'] },
  next: { endpoints: ['http://next.test'] }
}

const upstream: NonNullable<StageSetup['upstream']> = async ({ path, index }, clock) => {
  if (path.includes('/fail')) return { status: 503 }
  if (path.includes('/refuse')) return { error: 'CONNECT_FAILED' }
  if (path.includes('/reset')) return { error: 'UPSTREAM_RESET' }
  if (path.includes('/hang')) return new Promise(() => {})
  if (path.includes('/slow')) await clock.sleep(10 + (index % 3) * 20)
  return { body: 'ok' }
}

function setupOf(standing: readonly Standing[]): StageSetup {
  const at = (wanted: Place) =>
    standing.filter(({ place }) => place === wanted).map(({ name, place }) => listingOf(name, place, logFile))
  return {
    top: at('top'),
    route: at('route'),
    service: at('service'),
    endpoints: ENDPOINTS,
    services: SERVICES,
    on: { timeout: TIMEOUT },
    upstream,
    random: seeded()
  }
}

/** Everything that is wrong with these plugins beside each other. */
async function wrongWith(standing: readonly Standing[]): Promise<string[]> {
  const wrong: string[] = []
  const run = await Stage.build(setupOf(standing))
  const all: Under[] = []
  const begin = (...sent: Parameters<Stage['begin']>) => {
    const [{ headers, ...rest } = {}, source] = sent
    const under = run.begin({ ...rest, headers: { ...HEADERS, ...headers } }, source)
    all.push(under)
    return under
  }

  begin({ url: '/api/orders/1' })
  begin({ url: '/api/orders', method: 'POST', body: { lamp: 1 } })
  begin({ url: '/fail' })
  begin({ url: '/fail', method: 'POST', body: 'again' })
  begin({ url: '/refuse' })
  begin({ url: '/hang' })
  begin(HEALTH_CALL)
  begin({ url: '/old/1', headers: { 'x-canary': '1' } })
  begin({ url: '/slow', headers: { 'x-canary': '1', 'x-priority': '9' } })
  run.begin({ url: '/orders/2' })
  const leaves = begin({ url: '/slow' })
  const leavesHanging = begin({ url: '/hang', headers: { 'x-priority': '1' } })
  const upload = new PassThrough()
  const leavesUploading = begin(
    { url: '/slow', method: 'POST', headers: { 'transfer-encoding': 'chunked' } },
    upload
  )
  upload.write('a part')
  await run.clock.advance(5)
  for (const under of [leaves, leavesHanging, leavesUploading]) under.leave()
  upload.destroy()
  await run.clock.advance(300)
  // What was opened, ejected or counted meanwhile is met by these.
  begin({ url: '/orders/3' })
  begin({ url: '/reset' })
  begin({ url: '/fail', headers: { cookie: 'version=v2; endpoint=none' } })
  await run.clock.advance(10)
  begin({ url: '/orders/4' })
  await run.clock.advance(600)

  for (const { exchange, ended, answer } of all) {
    const what = `${exchange.request.method} ${exchange.request.path}`
    if (!ended) wrong.push(`${what} did not end`)
    if (answer.results.length !== 1) wrong.push(`${what}: finish was called ${answer.results.length} times`)
    if (answer.took > LONGEST) wrong.push(`${what} took ${answer.took} ms`)
    if (answer.status === 500) wrong.push(`${what}: ${answer.error}`)
    for (const { end, number } of exchange.attempts)
      if (end === undefined) wrong.push(`${what}: attempt ${number} never settled`)
  }
  for (const { level, message, fields } of run.log.lines)
    if (level === 'error') wrong.push(`${message} ${JSON.stringify(fields)}`)
  if (run.inFlight !== 0) wrong.push(`${run.inFlight} exchanges in flight`)
  for (const { name, inFlight } of run.services())
    if (inFlight !== 0) wrong.push(`${inFlight} attempts in flight on ${name}`)
  for (const { url, inFlight } of run.endpoints())
    if (inFlight !== 0) wrong.push(`${inFlight} attempts in flight at ${url}`)
  // A check may be under way at any time.
  for (const { name, used, waiting } of run.limits().filter((limit) => limit.name !== 'health-checks'))
    if (used !== 0 || waiting !== 0) wrong.push(`limit ${name}: ${used} used, ${waiting} waiting`)

  // The access log's thread writes its file in real time.
  const late = new AbortController()
  const closed = run.close().then(() => true)
  const inTime = await Promise.race([
    closed,
    sleep(5_000, false, { signal: late.signal, ref: false }).catch(() => false)
  ])
  late.abort()
  if (!inTime) wrong.push('closing did not end')
  const { length } = run.seen
  await run.clock.advance(1_000)
  if (run.seen.length > length) wrong.push('requests were made after it was closed')
  for (const { name, used } of run.limits()) if (used !== 0) wrong.push(`closed, limit ${name}: ${used} used`)
  if (rejections.length > 0) wrong.push(`rejected: ${String(rejections.splice(0))}`)
  return wrong
}

const said = (standing: readonly Standing[]) =>
  standing.map(({ name, place }) => `${name} (${place})`).join(', ')

/** In each place where both may stand, in both orders; and one on the route where the other is on the service. */
function standings(first: PluginName, second: PluginName): Standing[][] {
  const all: Standing[][] = []
  const at = (name: PluginName, place: Place) => placesOf.get(name)?.includes(place) === true
  for (const place of PLACES) {
    if (!at(first, place) || !at(second, place)) continue
    const [one, two] = [first, second].map((name) => ({ name, place })) as [Standing, Standing]
    all.push([one, two])
    if (first !== second) all.push([two, one])
  }
  for (const [outer, inner] of first === second
    ? [[first, second]]
    : ([
        [first, second],
        [second, first]
      ] as const)) {
    if (!at(outer, 'route') || !at(inner, 'service')) continue
    all.push([
      { name: outer, place: 'route' },
      { name: inner, place: 'service' }
    ])
  }
  return all
}

if (process.env.ONLY !== 'all')
  for (const [i, first] of PLUGINS.entries()) {
    t.test(`${first} with each other plugin, and listed twice`, async (t) => {
      for (const second of PLUGINS.slice(i)) {
        for (const standing of standings(first, second)) {
          const wrong = await wrongWith(standing).catch((error: unknown) => [String(error)])
          if (wrong.length > 0) t.same(wrong, [], said(standing))
        }
      }
      t.pass('nothing is wrong')
    })
  }

t.test('all of them together, in many orders and places', async (t) => {
  const random = seeded(4)
  for (let round = 0; round < 60; round++) {
    const standing: Standing[] = []
    for (const name of [...PLUGINS].sort(() => random() - 0.5)) {
      const places = placesOf.get(name) ?? []
      standing.push({ name, place: places[Math.floor(random() * places.length)] ?? 'route' })
    }
    const wrong = await wrongWith(standing).catch((error: unknown) => [String(error)])
    if (wrong.length > 0) t.same(wrong, [], said(standing))
  }
  t.pass('nothing is wrong')
})
