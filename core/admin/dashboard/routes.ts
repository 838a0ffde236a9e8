/** The dashboard's list of routes, as browser script: each unfolds to its hooks, in the order their plugins run. */
export const routes = `
const HOOKS = ['request', 'candidates', 'pick', 'attempt', 'outcome', 'settled', 'response', 'error', 'finish']

/** What a match demands, as one line. */
function matchLine(match) {
  const parts = []
  if (match.methods) parts.push([].concat(match.methods).join(' '))
  parts.push((match.host || '') + (match.path || '/*'))
  for (const [kind, mark] of [['query', '?'], ['headers', '']]) {
    for (const [name, value] of Object.entries(match[kind] || {})) {
      parts.push(value === '*' ? mark + name : mark + name + (kind === 'query' ? '=' : ': ') + value)
    }
  }
  return parts.join('  ')
}

function routesView() {
  const list = byId('route-list')
  let built
  let cells = new Map()

  function build(all) {
    cells = new Map()
    if (all.length === 0) return listOr(list, [], 'No routes are configured: every request is answered 404.')
    const heads = make('div', { class: 'heads', 'aria-hidden': 'true' }, make('span', {}, 'Route'), make('span', {}, 'Match'),
      make('span', {}, 'Service'), make('span', { class: 'n' }, 'Per second'), make('span', { class: 'n' }, 'Errors'), make('span', { class: 'n' }, 'p99'))
    const card = make('div', { class: 'card' }, heads, ...all.map(line))
    list.replaceChildren(card)
  }

  function line(route) {
    const cell = (label) => make('span', { class: 'n', title: label }, '–')
    const parts = { rate: cell('requests per second'), errors: cell('server errors'), p99: cell('latency p99') }
    cells.set(route.name, parts)
    const hooks = HOOKS.filter((hook) => (route.hooks[hook] || []).length > 0)
    const summary = make('summary', {}, make('span', { class: 'name' }, route.name),
      make('span', { class: 'match mono' }, matchLine(route.match)),
      make('span', { class: 'to' }, route.service ? route.service : 'answers itself'), parts.rate, parts.errors, parts.p99)
    const listed = hooks.map((hook) => make('li', {}, make('span', { class: 'hook' }, hook),
      make('ol', {}, ...route.hooks[hook].map((plugin) => make('li', {}, make('span', { class: 'chip' }, plugin))))))
    const facts = [
      'Listeners: ' + (route.listeners.length === 0 ? 'all' : route.listeners.join(', ')),
      'Timeout: ' + (route.timeout > 0 && route.timeout < Infinity ? showMs(route.timeout) : 'none')
    ]
    const plugins = Object.values(route.hooks).flat()
    return make('details', { class: 'route', 'data-words': [route.name, route.service || '', ...plugins, matchLine(route.match)].join(' ').toLowerCase() },
      summary, make('div', { class: 'detail' }, make('p', {}, facts.join(' · ')),
        listed.length === 0 ? make('p', {}, 'No plugin runs on it.') : make('ul', { class: 'hooks' }, ...listed)))
  }

  /** @param trafficOf route name to { rate, errors, p99 } */
  return function show(all, trafficOf) {
    const now = JSON.stringify(all)
    if (now !== built) {
      build(all)
      built = now
    }
    for (const { name } of all) {
      const { rate, errors, p99 } = trafficOf(name)
      const parts = cells.get(name)
      put(parts.rate, showNumber(rate))
      put(parts.errors, rate > 0 ? showPercent(errors) : '–')
      tone(parts.errors, rate > 0 && errors >= 0.05 ? 'bad' : 'idle')
      put(parts.p99, p99 === undefined ? '–' : showMs(p99 * 1000))
    }
  }
}
`
