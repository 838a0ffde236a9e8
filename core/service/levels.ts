import type { Arrangement } from '../hooks/plugin.js'
import type { EndpointState } from './endpoint.js'

/** Endpoints that are used alike, and how much of the traffic they get. */
export interface Level {
  /** Undefined where `order` does not look at zones: else whether these are the proxy's own zone's. */
  readonly local: boolean | undefined
  readonly priority: number | undefined
  /** How many endpoints it has, and how many of them are usable. */
  readonly all: number
  readonly usable: number
  /** So few are usable that all are used. */
  readonly panic: boolean
  /** What is chosen from: frozen. */
  readonly endpoints: readonly EndpointState[]
  /** From 0 to 1; those of all levels come to 1, unless there is nothing to choose from. */
  readonly share: number
}

export const DEFAULT_ARRANGEMENT: Arrangement = Object.freeze({
  order: Object.freeze(['priority'] as const),
  zone: undefined,
  overprovisioning: Number.POSITIVE_INFINITY,
  panicThreshold: 0
})

interface Group {
  readonly local: boolean | undefined
  readonly priority: number | undefined
  readonly all: EndpointState[]
  readonly usable: EndpointState[]
}

/**
 * Envoy's priority load, for levels by zone, by priority or by both: a level's health is `min(1, overprovisioning x
 * usable / all)`, and each in turn takes its health's worth of what the levels before it have left; where all of them
 * together come to less than 1, in proportion.
 *
 * Panic: where they come to less than 1 (or, with no bound on overprovisioning, on a level's own account) a level with a
 * smaller part usable than `panicThreshold` is used whole, but for endpoints whose breaker is open. While other levels
 * can take what one has lost, it does not panic.
 */
export function levelsOf(
  endpoints: readonly EndpointState[],
  now: number,
  arrangement: Arrangement
): readonly Level[] {
  const groups = group(endpoints, now, arrangement)
  const healths = groups.map(({ all, usable }) =>
    usable.length === 0 ? 0 : Math.min(1, (arrangement.overprovisioning * usable.length) / all.length)
  )
  const sum = healths.reduce((total, health) => total + health, 0)
  const total = Math.min(1, sum)
  const mayPanic = arrangement.overprovisioning === Number.POSITIVE_INFINITY || sum < 1
  let left = 1
  const levels = groups.map((each, at): Level => {
    const { all, usable } = each
    const share = total === 0 ? 0 : Math.min(left, (healths[at] as number) / total)
    left -= share
    const panic = mayPanic && usable.length < arrangement.panicThreshold * all.length
    const used = panic ? all.filter(({ circuit }) => circuit.admits(now)) : usable
    return {
      local: each.local,
      priority: each.priority,
      all: all.length,
      usable: usable.length,
      panic,
      endpoints: Object.freeze(used),
      share
    }
  })
  if (total > 0) return levels
  // Nothing is usable: what a panic lets be used is used in its order.
  const first = levels.findIndex((level) => level.endpoints.length > 0)
  return levels.map((level, at) => (at === first ? { ...level, share: 1 } : level))
}

function group(endpoints: readonly EndpointState[], now: number, { order, zone }: Arrangement): Group[] {
  const byZone = order.includes('zone')
  const byPriority = order.includes('priority')
  const zoneFirst = order[0] === 'zone'
  const groups = new Map<number, Group>()
  for (const endpoint of endpoints) {
    const remote = byZone && zone !== undefined && endpoint.zone !== zone ? 1 : 0
    const priority = byPriority ? endpoint.priority : 0
    // Priorities are whole numbers up to 1,000, and this is where the group stands among the others.
    const rank = zoneFirst ? remote * 10_000 + priority : priority * 2 + remote
    let found = groups.get(rank)
    if (found === undefined) {
      found = {
        local: byZone ? remote === 0 : undefined,
        priority: byPriority ? priority : undefined,
        all: [],
        usable: []
      }
      groups.set(rank, found)
    }
    found.all.push(endpoint)
    if (endpoint.usable(now)) found.usable.push(endpoint)
  }
  return [...groups].sort(([one], [other]) => one - other).map(([, each]) => each)
}
