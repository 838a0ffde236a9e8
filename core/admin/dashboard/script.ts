import { readings } from './readings.js'
import { routes } from './routes.js'
import { views } from './views.js'

const polling = `
/** Seconds of readings that rates are taken over: long enough to be steady, short enough to see a change. */
const WINDOW = 5
const HISTORY = 120

const showServices = servicesView()
const showRoutes = routesView()
const snapshots = []
const history = { rate: [], errors: [], p99: [], inflight: [] }
let routeList
let routesOf
let failing = 0
let noticeFrom = ''

async function ask(path) {
  const answer = await fetch(path, { cache: 'no-store', signal: AbortSignal.timeout(5000) })
  if (!answer.ok && path !== 'readyz') throw new Error(path + ' answers ' + answer.status)
  return answer
}

function notice(from, kind, text, items) {
  const box = byId('notice')
  noticeFrom = from
  box.dataset.tone = kind
  box.replaceChildren(text)
  if (items && items.length > 0) box.append(make('ul', {}, ...items.map((item) => make('li', { class: 'mono' }, item))))
  if (from !== 'poll') {
    const close = make('button', { type: 'button', class: 'close' }, 'Dismiss')
    close.addEventListener('click', () => clearNotice(from))
    box.prepend(close)
  }
  box.hidden = false
}

function clearNotice(from) {
  if (noticeFrom === from) byId('notice').hidden = true
}

function showState(state) {
  const pill = byId('state')
  put(pill, state)
  tone(pill, state === 'ready' ? 'good' : state === 'unreachable' ? 'bad' : 'warn')
  document.title = state === 'ready' ? 'outrigger' : state + ' · outrigger'
}

function remember(series, value) {
  series.push(value)
  if (series.length > HISTORY) series.shift()
}

async function refresh() {
  const [metrics, services, state] = await Promise.all([
    ask('metrics').then((answer) => answer.text()),
    ask('services').then((answer) => answer.json()),
    ask('readyz').then((answer) => answer.text())
  ])
  const now = { at: performance.now() / 1000, families: parseMetrics(metrics), endpoints: new Map() }
  for (const service of services) for (const endpoint of service.endpoints) now.endpoints.set(service.name + ' ' + endpoint.url, endpoint)
  const began = total(now.families, 'process_start_time_seconds')
  const last = snapshots[snapshots.length - 1]
  // Another process answers now: what was counted before says nothing about it.
  if (last !== undefined && total(last.families, 'process_start_time_seconds') !== began) snapshots.length = 0
  snapshots.push(now)
  while (snapshots.length > 2 && now.at - snapshots[1].at >= WINDOW) snapshots.shift()
  const reloads = total(now.families, 'outrigger_config_reloads_total')
  const failures = total(now.families, 'outrigger_config_reload_failures_total')
  // Routes change with the configuration alone. Where reloads are not counted, they are asked for every time.
  if (routeList === undefined || reloads === undefined || routesOf !== began + ' ' + reloads) {
    routeList = await (await ask('routes')).json()
    routesOf = began + ' ' + reloads
  }
  showState(state.trim())
  put(byId('uptime'), began === undefined ? '–' : showSpan(Date.now() / 1000 - began))
  const memory = total(now.families, 'process_resident_memory_bytes')
  put(byId('memory'), memory === undefined ? '–' : Math.round(memory / 1048576) + ' MiB')
  put(byId('reloads'), reloads === undefined ? '–' : String(reloads))
  put(byId('reload-failures'), failures === undefined ? '–' : String(failures))
  showTraffic(snapshots[0], now, services)
  byId('updated').textContent = 'updated ' + new Date().toLocaleTimeString()
}

function showTraffic(before, now, services) {
  const all = traffic(before, now)
  byId('hint').hidden = now.families.has(REQUESTS)
  const inflight = total(now.families, 'outrigger_requests_in_flight') ?? services.flatMap((s) => s.endpoints).reduce((sum, e) => sum + e.inFlight, 0)
  put(byId('rate'), showNumber(all.rate))
  put(byId('errors'), showPercent(all.errors))
  put(byId('p99'), all.p99 === undefined ? '–' : showMs(all.p99 * 1000))
  put(byId('p50'), all.p50 === undefined ? '–' : showMs(all.p50 * 1000))
  put(byId('inflight'), String(inflight))
  put(byId('retries'), showNumber(all.retries))
  remember(history.rate, all.rate)
  remember(history.errors, all.errors)
  remember(history.p99, all.p99)
  remember(history.inflight, inflight)
  drawLine(byId('rate-line'), history.rate, 1)
  drawLine(byId('errors-line'), history.errors, 0.05)
  drawLine(byId('p99-line'), history.p99, 0.005)
  drawLine(byId('inflight-line'), history.inflight, 4)
  const seconds = now.at - before.at
  showServices(services, (service, endpoint) => {
    const then = before.endpoints.get(service.name + ' ' + endpoint.url)
    return {
      rate: then && perSecond(then.attempts, endpoint.attempts, seconds),
      failures: then && perSecond(then.failures, endpoint.failures, seconds)
    }
  })
  showRoutes(routeList, (name) => traffic(before, now, name))
  filter()
}

function filter() {
  const wanted = byId('filter').value.trim().toLowerCase()
  let found = 0
  for (const element of document.querySelectorAll('[data-words]')) {
    element.hidden = !element.dataset.words.includes(wanted)
    if (!element.hidden) found += 1
  }
  byId('nothing').hidden = wanted === '' || found > 0
}

async function poll() {
  if (!document.hidden) {
    try {
      await refresh()
      failing = 0
      byId('main').classList.remove('stale')
      clearNotice('poll')
    } catch (error) {
      failing += 1
      // One lost answer is no news.
      if (failing >= 2) {
        showState('unreachable')
        byId('main').classList.add('stale')
        notice('poll', 'bad', 'The proxy does not answer (' + error.message + '). What is shown is old; trying again.')
      }
    }
  }
  setTimeout(poll, 1000)
}

byId('reload').addEventListener('click', async (event) => {
  const button = event.currentTarget
  button.disabled = true
  try {
    const answer = await fetch('reload', { method: 'POST' })
    const said = await answer.json()
    if (answer.ok) notice('reload', 'good', 'The configuration was read anew and is in use.')
    else notice('reload', 'bad', 'Not reloaded: ' + said.message + '.', said.problems)
  } catch (error) {
    notice('reload', 'bad', 'Not reloaded: ' + error.message)
  }
  button.disabled = false
})
byId('filter').addEventListener('input', filter)
document.addEventListener('visibilitychange', () => {
  // While hidden nothing was read: rates over that gap would be averages of minutes.
  if (document.hidden) snapshots.length = 0
})
poll()
`

/** All of the dashboard's script, in a scope of its own. */
export const script = `(() => {\n'use strict'\n${readings}${views}${routes}${polling}})()\n`
