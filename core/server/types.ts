import type { AttemptHooks, ExchangeHooks, UpgradeHooks } from '../hooks/hook-set.js'
import type { Place } from '../hooks/plugin.js'
import type { BreakerState, HookName } from '../hooks/types.js'

/** A running proxy, as the binary, the admin and `createProxy`'s callers see it. */
export interface Proxy {
  /**
   * Binds every listener and the admin.
   * @param until ready is not said before this resolves, such as when the service beside the proxy serves
   * @throws StartError when an address is taken or a part cannot start; nothing is left bound
   */
  start(until?: () => Promise<unknown>): Promise<void>
  /** Where each listener can be reached once started: `http://127.0.0.1:8080`, `unix:/run/app.sock`. The admin is `admin`. */
  readonly addresses: ReadonlyMap<string, string>
  /**
   * Builds the configuration anew (from its file, or the object given), swaps it in and retires the old one.
   * @throws ConfigError, StartError; then nothing has changed
   */
  reload(source?: string | object): Promise<void>
  /** Readiness fails, listeners stop accepting, exchanges end (or are cut after the configuration's `drain`), then all is closed. */
  drain(): Promise<void>
  /** At once: what is under way is cut. */
  close(): Promise<void>
  readonly state: 'new' | 'ready' | 'draining' | 'closed'
  /** Files whose change is a change of the configuration now running. */
  readonly watched: readonly string[]
  readonly inFlight: number
  routes(): RouteView[]
  services(): ServiceView[]
  plugins(): PluginView[]
  /** Secrets masked. */
  config(): unknown
  /** The Prometheus text and its content type. */
  metrics(): Promise<{ text: string; contentType: string }>
  /** A route's tapable hooks, frozen, for `intercept`; a hook that no plugin taps is undefined. @throws RangeError */
  hooks(route: string): ExchangeHooks & Partial<AttemptHooks> & Partial<UpgradeHooks>
  explain(
    method: string,
    url: string,
    options?: { headers?: Record<string, string>; listener?: string }
  ): Explanation
}

export { StartError } from '../pipeline/start-error.js'

export interface RouteView {
  name: string
  match: Record<string, unknown>
  listeners: string[]
  service: string | undefined
  timeout: number
  /** Each hook that anything runs in, with its plugins in the order they run. */
  hooks: Partial<Record<HookName, string[]>>
  /** What the route's plugins bound. */
  limits: LimitView[]
}

/** So many at once, and no more. */
export interface LimitView {
  name: string
  max: number
  used: number
  waiting: number
  refused: number
}

export interface BreakerView {
  state: BreakerState
  /** ms until one attempt is let through; 0 unless it is open. */
  openFor: number
  /** Why it opened; undefined while it is closed. */
  reason: string | undefined
}

/** Endpoints of one priority, one zone or both, and what share of the attempts they get. */
export interface LevelView {
  /** Whether they are of the proxy's own zone; undefined where zones make no difference. */
  local: boolean | undefined
  priority: number | undefined
  endpoints: number
  usable: number
  /** From 0 to 1. */
  share: number
  /** So few are usable that all are used. */
  panic: boolean
}

export interface ServiceView {
  name: string
  plugins: string[]
  /** Attempts under way. */
  inFlight: number
  breaker: BreakerView
  /** What its plugins bound. */
  limits: LimitView[]
  levels: LevelView[]
  endpoints: EndpointView[]
}

export interface EndpointView {
  url: string
  healthy: boolean
  /** Why it was marked unhealthy or ejected; undefined when it is neither. */
  reason: string | undefined
  /** As it counts now: a slow start's part in it is `scale`. */
  weight: number
  scale: number
  zone: string | undefined
  priority: number
  tags: Record<string, string>
  inFlight: number
  /** ms */
  latency: number | undefined
  /** ms that an ejection still lasts; 0 when not ejected. */
  ejectedFor: number
  ejections: number
  breaker: BreakerView
  /** ms since it can be used; undefined while it cannot. */
  availableFor: number | undefined
  attempts: number
  failures: number
}

export interface PluginView {
  name: string
  version: string | undefined
  place: Place
  /** The route's or service's name; `*` at the top. */
  on: string
  hooks: HookName[]
  /** Secrets masked. */
  config: unknown
}

export interface Explanation {
  /** Method, host and normalised path and query as they were matched. */
  request: { method: string; host: string; path: string; query: string }
  /** `-` when nothing matched. */
  route: string
  service: string | undefined
  /** Why this route: each condition that held, and how it beat the next best, one sentence an item. */
  why: string[]
  /** Why each other route that was near did not win. */
  others: { route: string; why: string }[]
  /** Plugin names in the order they run; `auth (when: ...)` where a condition is still open. */
  hooks: Partial<Record<HookName, string[]>>
}
