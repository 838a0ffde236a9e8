import { Breaker } from './breaker.js'

/** What is under way on a service, whichever configuration's: it outlives a reload, as endpoints do. */
export class ServiceLoad {
  /** Attempts under way. */
  inFlight = 0
  /** Those of them that are a retry. */
  retrying = 0
  readonly breaker = new Breaker()
  /** Names of the plugins that the running configuration has on the service: what they marked is theirs to unmark. */
  plugins: readonly string[] = []
}
