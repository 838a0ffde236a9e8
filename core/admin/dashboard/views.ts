/**
 * The dashboard's page, as browser script. Rows are built once per shape of the data and then only their text changes, so
 * that a selection, the focus and what is unfolded outlive the refresh. Everything is put in as text, never as markup.
 */
export const views = `
const byId = (id) => document.getElementById(id)

function make(tag, attributes, ...children) {
  const element = document.createElement(tag)
  for (const [name, value] of Object.entries(attributes || {})) element.setAttribute(name, value)
  element.append(...children)
  return element
}

function put(element, text) {
  if (element.textContent !== text) element.textContent = text
}

function tone(element, value) {
  if (element.dataset.tone !== value) element.dataset.tone = value
}

const SVG = 'http://www.w3.org/2000/svg'
function shape(tag, attributes) {
  const element = document.createElementNS(SVG, tag)
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value)
  return element
}

/** A line over the last 120 values; gaps are drawn as nothing. @param least the smallest value that fills the height */
function drawLine(svg, values, least) {
  if (svg.firstChild === null) svg.append(shape('path', { class: 'area' }), shape('path', { class: 'edge' }))
  const top = Math.max(least, ...values.filter((value) => value !== undefined))
  let edge = ''
  let area = ''
  let from
  let last
  const close = () => {
    if (from !== undefined) area += 'L' + last + ' 32L' + from + ' 32Z'
    from = undefined
  }
  values.forEach((value, i) => {
    const x = 120 - (values.length - 1 - i)
    if (value === undefined) return close()
    const point = x + ' ' + (30 - (value / top) * 26).toFixed(2)
    edge += (from === undefined ? 'M' : 'L') + point
    area += (from === undefined ? 'M' : 'L') + point
    if (from === undefined) from = x
    last = x
  })
  close()
  svg.firstChild.setAttribute('d', area)
  svg.lastChild.setAttribute('d', edge)
}

function meter() {
  const svg = shape('svg', { class: 'meter', viewBox: '0 0 100 5', preserveAspectRatio: 'none', 'aria-hidden': 'true' })
  svg.append(shape('rect', { width: 100, height: 5 }), shape('rect', { class: 'full', width: 0, height: 5 }))
  return svg
}

function listOr(container, parts, nothing) {
  container.replaceChildren(...(parts.length === 0 ? [make('p', { class: 'empty card' }, nothing)] : parts))
}

const COLUMNS = [
  ['Endpoint', 'w-url'], ['State', 'w-state'], ['Requests per second', 'w-load'], ['In flight', 'n'], ['Latency', 'n'],
  ['Failures', 'n'], ['Weight', 'n'], ['Ejections', 'n']
]

/** Keeps one table per service; show() fits it to what /services says. */
function servicesView() {
  const list = byId('service-list')
  let built
  let rows = new Map()
  let heads = new Map()

  function build(services) {
    rows = new Map()
    heads = new Map()
    listOr(list, services.map((service) => {
      const usable = make('span', { class: 'pill' })
      const sum = make('span', { class: 'total' })
      const breaker = make('span', { class: 'pill' })
      const notes = make('p', { class: 'notes' })
      heads.set(service.name, { usable, sum, breaker, notes })
      const chips = service.plugins.map((plugin) => make('span', { class: 'chip' }, plugin))
      const body = make('tbody', {}, ...service.endpoints.map((endpoint) => row(service.name, endpoint)))
      const head = make('tr', {}, ...COLUMNS.map(([label, kind]) => make('th', { scope: 'col', class: kind }, label)))
      const table = make('table', { 'aria-label': 'Endpoints of ' + service.name }, make('thead', {}, head), body)
      const none = make('p', { class: 'empty' }, 'No endpoints: every request to it is answered 503.')
      return make('article', { class: 'card', 'data-words': words(service) },
        make('header', {}, make('h3', {}, service.name), usable, breaker, ...chips, sum), notes,
        make('div', { class: 'scroll', tabindex: '0', role: 'region', 'aria-label': service.name },
          service.endpoints.length === 0 ? none : table))
    }), 'No services are configured.')
  }

  function row(service, endpoint) {
    const tags = Object.entries(endpoint.tags || {}).map(([name, value]) => name + '=' + value)
    if (endpoint.zone) tags.unshift('zone ' + endpoint.zone)
    if (endpoint.priority > 0) tags.unshift('priority ' + endpoint.priority)
    const cell = (kind) => make('td', { class: kind })
    const parts = {
      badge: make('span', { class: 'pill' }), reason: make('div', { class: 'sub' }), rate: make('span'), share: meter(),
      inFlight: cell('n'), latency: cell('n'), failures: cell('n'), weight: cell('n'), ejections: cell('n')
    }
    const url = make('td', {}, make('span', { class: 'mono' }, endpoint.url))
    if (tags.length > 0) url.append(make('div', { class: 'sub' }, tags.join(' · ')))
    parts.line = make('tr', {}, url, make('td', {}, parts.badge, parts.reason), make('td', {}, parts.rate, parts.share),
      parts.inFlight, parts.latency, parts.failures, parts.weight, parts.ejections)
    rows.set(service + ' ' + endpoint.url, parts)
    return parts.line
  }

  const words = (service) => [service.name, ...service.plugins, ...service.endpoints.map((e) => e.url)].join(' ').toLowerCase()

  /** @param rateOf (service, endpoint) to { rate, failures }, per second, over the last few readings */
  return function show(services, rateOf) {
    const now = JSON.stringify(services.map((s) => [s.name, s.plugins, s.endpoints.map((e) => [e.url, e.zone, e.priority, e.tags])]))
    if (now !== built) {
      build(services)
      built = now
    }
    for (const service of services) {
      const rates = service.endpoints.map((endpoint) => rateOf(service, endpoint))
      const all = rates.reduce((sum, { rate }) => sum + (rate || 0), 0)
      const usable = service.endpoints.filter((e) => e.availableFor !== undefined).length
      const head = heads.get(service.name)
      put(head.usable, usable + ' of ' + service.endpoints.length + ' usable')
      tone(head.usable, usable === 0 ? 'bad' : usable < service.endpoints.length ? 'warn' : 'good')
      showBreaker(head.breaker, service.breaker)
      const notes = [...service.limits.map(limitNote), ...levelNotes(service.levels)].join(' · ')
      put(head.notes, notes)
      head.notes.hidden = notes === ''
      put(head.sum, showNumber(rates.some(({ rate }) => rate !== undefined) ? all : undefined) + ' per second')
      service.endpoints.forEach((endpoint, i) => showEndpoint(rows.get(service.name + ' ' + endpoint.url), endpoint, rates[i], all))
    }
  }

  function showBreaker(pill, { state, openFor }) {
    pill.hidden = state === 'closed'
    put(pill, state === 'open' ? 'breaker open, ' + showSpan(openFor / 1000) + ' left' : 'breaker half open')
    tone(pill, state === 'open' ? 'bad' : 'warn')
  }

  function limitNote({ name, max, used, waiting, refused }) {
    const queued = waiting > 0 ? ', ' + waiting + ' waiting' : ''
    return name + ' ' + used + ' of ' + Math.floor(max) + queued + (refused > 0 ? ', ' + refused + ' refused' : '')
  }

  /** Said only where there is more than one level, or a panic. */
  function levelNotes(levels) {
    if (levels.length < 2 && !levels.some(({ panic }) => panic)) return []
    return levels.map(({ local, priority, usable, endpoints, share, panic }) => {
      const zone = local === undefined ? '' : local ? 'own zone ' : 'other zones '
      const named = zone + (priority === undefined ? '' : 'priority ' + priority)
      return named.trim() + ' ' + showPercent(share) + ', ' + usable + ' of ' + endpoints + ' usable' + (panic ? ', panic: all are used' : '')
    })
  }

  function showEndpoint(parts, endpoint, { rate, failures }, all) {
    const ejected = endpoint.ejectedFor > 0
    const { breaker } = endpoint
    const cut = breaker.state !== 'closed'
    const kind = !endpoint.healthy || breaker.state === 'open' ? 'bad' : ejected || cut ? 'warn' : 'good'
    const idle = kind === 'good' && endpoint.weight === 0
    const slow = kind === 'good' && endpoint.scale < 1
    const left = (ms) => ', ' + showSpan(ms / 1000) + ' left'
    put(parts.badge, !endpoint.healthy ? 'unhealthy'
      : breaker.state === 'open' ? 'breaker open' + left(breaker.openFor)
      : cut ? 'breaker half open'
      : ejected ? 'ejected' + left(endpoint.ejectedFor)
      : idle ? 'weight 0' : slow ? 'slow start, ' + showPercent(endpoint.scale) : 'healthy')
    tone(parts.badge, idle ? 'idle' : kind)
    tone(parts.line, kind)
    put(parts.reason, endpoint.reason || breaker.reason || '')
    put(parts.rate, showNumber(rate))
    parts.share.lastChild.setAttribute('width', all > 0 && rate > 0 ? String((rate / all) * 100) : '0')
    put(parts.inFlight, String(endpoint.inFlight))
    put(parts.latency, showMs(endpoint.latency))
    put(parts.failures, rate > 0 ? showPercent(failures / rate) : '–')
    tone(parts.failures, rate > 0 && failures / rate >= 0.05 ? 'bad' : 'idle')
    put(parts.weight, String(Math.round(endpoint.weight * 100) / 100))
    put(parts.ejections, String(endpoint.ejections))
  }
}
`
