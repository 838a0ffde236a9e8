import type { Clock } from '../hooks/clock.js'
import type { ListenerSet } from './listener-set.js'

/** ms before the end of a drain at which upgraded connections are told to end whatever else is under way. */
const FAREWELL = 2_500
/** ms between looks at whether they are all that is left. */
const LOOK_AROUND = 100

/**
 * Lets what is under way on the listeners end. Upgraded connections end by being told to, and last: when nothing else is
 * left, or just before time is up.
 *
 * @param ms that it may take
 * @returns false when time was up first
 */
export async function drain(listeners: ListenerSet, clock: Clock, ms: number): Promise<boolean> {
  const timeout = new AbortController()
  const late = clock.sleep(ms, timeout.signal).then(
    () => false,
    () => true
  )
  const ended = listeners.drain().then(() => true)
  const beginning = clock.now()
  const farewell = clock.setInterval(() => {
    if (listeners.quiet || clock.now() - beginning >= ms - FAREWELL) listeners.goAway()
  }, LOOK_AROUND)
  if (listeners.quiet) listeners.goAway()
  const inTime = await Promise.race([ended, late])
  farewell.cancel()
  timeout.abort()
  return inTime
}
