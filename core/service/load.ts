import { Breaker } from './breaker.js'

/** What is under way on a service, whichever configuration's: it outlives a reload, as endpoints do. */
export class ServiceLoad {
  /** Grows with each change of an endpoint's state, or of its own: lists derived from it are out of date. */
  version = 0
  /** Attempts under way. */
  inFlight = 0
  /** Those of them that are a retry. */
  retrying = 0
  readonly breaker = new Breaker()
  /** Names of the plugins that the running configuration has on the service: what they marked is theirs to unmark. */
  plugins: readonly string[] = []
  /** Who has it now: the service of the running configuration. */
  owner: object | undefined = undefined
  /** What the running configuration has bounded each endpoint by: attempts at once, and connections. */
  capacity = 0
  maxConnections = 0
}
