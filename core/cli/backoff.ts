const BASE = 100
const MAX = 10_000

/** ms that a child must have lived for its next end to count as the first. */
export const STEADY = 10_000

/**
 * ms to wait before a child is started again: 100 doubling to 10,000, of which a random half is taken off so that many
 * proxies whose services died of one cause do not start them all in one moment.
 *
 * @param deaths how often in a row it has ended before it was steady; from 1
 * @param random from 0 to 1
 */
export function backoff(deaths: number, random: number): number {
  const full = Math.min(MAX, BASE * 2 ** Math.min(deaths - 1, 30))
  return Math.round(full * (0.5 + random / 2))
}
