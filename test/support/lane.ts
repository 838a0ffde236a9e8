import { type StartedProxy, startProxy as start } from '../../plugins/testing.js'

export type { StartedProxy }

/**
 * Whether HTTP/1.1 takes the fast lane. What is said of it must be true of the standard path too: `npm test` runs what
 * speaks on the wire a second time, with FAST_LANE=off.
 */
export const fastLane = process.env.FAST_LANE !== 'off'

/** `startProxy` on the lane that is tested. */
export function startProxy(config: object, options?: Parameters<typeof start>[1]): Promise<StartedProxy> {
  return start({ fastLane, ...config }, options)
}
