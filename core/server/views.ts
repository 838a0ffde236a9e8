import type { Config } from '../config/types.js'
import { orderOf } from '../hooks/hook-set.js'
import { HOOK_NAMES } from '../hooks/names.js'
import type { HookName } from '../hooks/types.js'
import type { Generation, RoutePipeline } from '../pipeline/generation.js'
import type { Breaker } from '../service/breaker.js'
import type { EndpointState } from '../service/endpoint.js'
import type { NamedLimit } from '../service/limit.js'
import type { Service } from '../service/service.js'
import type { BreakerView, EndpointView, LimitView, PluginView, RouteView, ServiceView } from './types.js'

export function routeViews(generation: Generation): RouteView[] {
  return generation.routes.map((route) => {
    const { name, match, listeners, service, timeout } = route.config
    const given = Object.fromEntries(Object.entries(match).filter(([, value]) => value !== undefined))
    const on = listeners ?? [...generation.config.listeners.keys()]
    const own = route.plugins.filter(({ place }) => place.kind === 'route')
    return {
      name,
      match: given,
      listeners: [...on],
      service,
      timeout,
      hooks: hooksOf(route, generation),
      limits: limitViews(own)
    }
  })
}

/** Each hook that anything runs in, in the order it runs; what a `when` leaves open is said. */
export function hooksOf(route: RoutePipeline, generation: Generation): Partial<Record<HookName, string[]>> {
  const service = route.service === undefined ? [] : generation.instancesOf(route.service)
  const hooks: Partial<Record<HookName, string[]>> = {}
  for (const hook of HOOK_NAMES) {
    const names = orderOf(hook, route.plugins, service).map(({ name, when }) =>
      when === undefined ? name : `${name} (when)`
    )
    if (names.length > 0) hooks[hook] = names
  }
  if (route.service !== undefined) hooks.pick = [...(hooks.pick ?? []), 'round robin']
  return hooks
}

export function serviceViews(generation: Generation, now: number): ServiceView[] {
  return [...generation.services.values()].map((service) => ({
    name: service.name,
    plugins: generation.instancesOf(service).map(({ name }) => name),
    inFlight: service.inFlight,
    breaker: breakerView(service.load.breaker, now),
    limits: limitViews([...generation.instancesOf(service), service]),
    levels: service.levels.map(({ local, priority, all, usable, share, panic }) => ({
      local,
      priority,
      endpoints: all,
      usable,
      share,
      panic
    })),
    endpoints: endpointViews(service, now)
  }))
}

function limitViews(holders: readonly { readonly limits: readonly NamedLimit[] }[]): LimitView[] {
  return holders.flatMap(({ limits }) =>
    limits.map(({ name, max, used, waiting, refused }) => ({ name, max, used, waiting, refused }))
  )
}

function breakerView(breaker: Breaker, now: number): BreakerView {
  breaker.admits(now)
  const { state, until, reason } = breaker
  return { state, openFor: state === 'open' ? until - now : 0, reason }
}

function endpointViews(service: Service, now: number): EndpointView[] {
  return service.endpoints.map((endpoint: EndpointState) => {
    const { url, healthy, weight, zone, priority, tags, inFlight, latency, ejections, attempts, failures } =
      endpoint
    const ejectedFor = Math.max(0, endpoint.ejectedUntil - now)
    const ejectionReason = ejectedFor === 0 ? undefined : endpoint.ejectionReason
    const reason = healthy ? ejectionReason : endpoint.reason
    return {
      url,
      healthy,
      reason,
      weight,
      scale: endpoint.factor,
      zone,
      priority,
      tags: { ...tags },
      inFlight,
      latency,
      ejectedFor,
      ejections,
      breaker: breakerView(endpoint.circuit, now),
      availableFor: endpoint.usable(now) ? now - endpoint.availableSince : undefined,
      attempts,
      failures
    }
  })
}

export function pluginViews(generation: Generation): PluginView[] {
  const listed = listingsOf(generation.config)
  return generation.instances.map(({ use, place, hooks }) => ({
    name: use.name,
    version: use.plugin.version,
    place: place.kind,
    on: place.name,
    hooks: HOOK_NAMES.filter((hook) => hooks[hook] !== undefined),
    config: maskedConfig(listed(place), use.name)
  }))
}

/** What stands in each place in the masked file. */
function listingsOf(config: Config): (place: { kind: string; name: string }) => unknown[] | undefined {
  const masked = config.masked as {
    plugins?: unknown[]
    services?: Record<string, { plugins?: unknown[] }>
    routes?: { name?: string; plugins?: unknown[] }[]
  }
  const routes = new Map(masked.routes?.map(({ name, plugins }) => [name, plugins]))
  return ({ kind, name }) => {
    if (kind === 'top') return masked.plugins
    return kind === 'service' ? masked.services?.[name]?.plugins : routes.get(name)
  }
}

/** A plugin's configuration as the masked file has it: secrets were masked there, by path and by the plugin's schema. */
function maskedConfig(listed: unknown[] | undefined, name: string): unknown {
  for (const one of listed ?? []) {
    if (one === name) return {}
    if (typeof one !== 'object' || one === null) continue
    for (const [key, value] of Object.entries(one)) {
      if (key === name || key.replace(/^.*\//, '').replace(/\.\w+$/, '') === name) return value
    }
  }
  return {}
}
