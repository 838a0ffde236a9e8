import type {
  BreakerView,
  EndpointView,
  LevelView,
  LimitView,
  RouteView,
  ServiceView
} from '../server/types.js'

const BAD = { closed: 0, 'half-open': 1, open: 2 } as Readonly<Record<string, number>>

/**
 * The services of several processes as one: what is under way and what was counted is added up, and of what each process
 * finds out for itself the worst is shown, with how many of them found it where they differ.
 */
export function mergeServices(all: readonly (readonly ServiceView[])[]): ServiceView[] {
  return byKey(
    all,
    ({ name }) => name,
    (views, first) => ({
      name: first.name,
      plugins: first.plugins,
      inFlight: sum(views, ({ inFlight }) => inFlight),
      breaker: mergeBreakers(views.map(({ breaker }) => breaker)),
      limits: mergeLimits(views.map(({ limits }) => limits)),
      levels: mergeLevels(views.map(({ levels }) => levels)),
      endpoints: mergeEndpoints(views.map(({ endpoints }) => endpoints))
    })
  )
}

/** The same of routes: they differ in what their limits hold. */
export function mergeRoutes(all: readonly (readonly RouteView[])[]): RouteView[] {
  return byKey(
    all,
    ({ name }) => name,
    (views, first) => ({ ...first, limits: mergeLimits(views.map(({ limits }) => limits)) })
  )
}

function mergeEndpoints(all: readonly (readonly EndpointView[])[]): EndpointView[] {
  return byKey(all, ({ url }) => url, mergeEndpoint)
}

function mergeEndpoint(views: readonly EndpointView[], first: EndpointView): EndpointView {
  const available = views.map(({ availableFor }) => availableFor)
  return {
    ...first,
    healthy: views.every(({ healthy }) => healthy),
    reason: reasonOf(views.map(({ reason }) => reason)),
    scale: least(views, ({ scale }) => scale),
    inFlight: sum(views, ({ inFlight }) => inFlight),
    latency: mean(views.map(({ latency }) => latency)),
    ejectedFor: most(views, ({ ejectedFor }) => ejectedFor),
    ejections: sum(views, ({ ejections }) => ejections),
    breaker: mergeBreakers(views.map(({ breaker }) => breaker)),
    availableFor: available.includes(undefined) ? undefined : Math.min(...(available as number[])),
    attempts: sum(views, ({ attempts }) => attempts),
    failures: sum(views, ({ failures }) => failures)
  }
}

function mergeBreakers(views: readonly BreakerView[]): BreakerView {
  const worst = views.reduce((a, b) => ((BAD[b.state] ?? 0) > (BAD[a.state] ?? 0) ? b : a))
  return {
    state: worst.state,
    openFor: most(views, ({ openFor }) => openFor),
    reason: reasonOf(views.map(({ reason }) => reason))
  }
}

function mergeLimits(all: readonly (readonly LimitView[])[]): LimitView[] {
  return byKey(
    all,
    ({ name }) => name,
    (views, { name }) => ({
      name,
      max: sum(views, ({ max }) => max),
      used: sum(views, ({ used }) => used),
      waiting: sum(views, ({ waiting }) => waiting),
      refused: sum(views, ({ refused }) => refused)
    })
  )
}

function mergeLevels(all: readonly (readonly LevelView[])[]): LevelView[] {
  return byKey(
    all,
    ({ local, priority }) => `${local} ${priority}`,
    (views, first) => ({
      ...first,
      usable: least(views, ({ usable }) => usable),
      share: sum(views, ({ share }) => share) / all.length,
      panic: views.some(({ panic }) => panic)
    })
  )
}

/** The first that any has, and how many have one. */
function reasonOf(reasons: readonly (string | undefined)[]): string | undefined {
  const given = reasons.filter((reason) => reason !== undefined)
  const [first] = given
  return first === undefined || given.length === reasons.length
    ? first
    : `${first} (${given.length} of ${reasons.length} processes)`
}

/** One of each key, in the order they are first seen in; of a key that a list has twice, the second goes with the seconds. */
function byKey<View>(
  all: readonly (readonly View[])[],
  keyOf: (view: View) => string,
  merge: (views: readonly View[], first: View) => View
): View[] {
  const groups = new Map<string, [View, ...View[]]>()
  for (const views of all) {
    const seen = new Map<string, number>()
    for (const view of views) {
      const key = keyOf(view)
      const count = seen.get(key) ?? 0
      seen.set(key, count + 1)
      const group = groups.get(`${count} ${key}`)
      if (group === undefined) groups.set(`${count} ${key}`, [view])
      else group.push(view)
    }
  }
  return [...groups.values()].map((group) => merge(group, group[0]))
}

function sum<View>(views: readonly View[], of: (view: View) => number): number {
  return views.reduce((total, view) => total + of(view), 0)
}

function most<View>(views: readonly View[], of: (view: View) => number): number {
  return Math.max(...views.map(of))
}

function least<View>(views: readonly View[], of: (view: View) => number): number {
  return Math.min(...views.map(of))
}

function mean(values: readonly (number | undefined)[]): number | undefined {
  const known = values.filter((value) => value !== undefined)
  return known.length === 0 ? undefined : sum(known, (value) => value) / known.length
}
