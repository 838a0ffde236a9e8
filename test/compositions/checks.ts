// A health check that decides at once, and endpoints that fail it.
import { nameOf, type StageSetup } from './stage.js'

export const CHECK = { http: { path: '/healthz' }, interval: 100, unhealthyAfter: 1, healthyAfter: 1 }

/** Endpoints whose checks fail; everything else is served. */
export function sick(...names: readonly string[]): NonNullable<StageSetup['upstream']> {
  return ({ path, endpoint }) => ({
    status: path === '/healthz' && names.includes(nameOf(endpoint)) ? 500 : 200
  })
}
