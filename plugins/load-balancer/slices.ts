import { setImmediate } from 'node:timers/promises'
import type { Clock } from '../../core/index.js'

/** ms of one slice. */
const SLICE = 0.5

/**
 * Runs long work in slices of half a millisecond and lets requests pass between them. The first slice runs within the
 * call. Work is to yield every few hundred of its steps.
 *
 * @param stopped asked between slices: true, and the work is given up
 * @returns what the work returns; undefined when it was given up
 */
export async function inSlices<T>(
  work: Generator<void, T>,
  clock: Clock,
  stopped: () => boolean
): Promise<T | undefined> {
  let until = clock.now() + SLICE
  for (;;) {
    const { done, value } = work.next()
    if (done === true) return value
    if (clock.now() < until) continue
    await setImmediate()
    if (stopped()) return undefined
    until = clock.now() + SLICE
  }
}
