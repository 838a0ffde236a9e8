interface Times {
  /** ms, as all here. */
  readonly reset: number
  readonly maxReset?: number | undefined
  /** From 0 to 1. */
  readonly jitter: number
}

/**
 * How long a breaker stays open, in ms: `reset x 2^openings`, and at random up to `jitter` times that more, both no more than
 * `maxReset` (Linkerd's failure accrual: 1 s to 60 s, jitter 0.5). Without `maxReset` it does not double.
 *
 * @param openings how often it has opened before without closing
 */
export function wait(openings: number, { reset, maxReset, jitter }: Times, random: () => number): number {
  const base = maxReset === undefined ? reset : Math.min(maxReset, reset * 2 ** openings)
  const longest = maxReset ?? Number.POSITIVE_INFINITY
  return jitter === 0 ? base : Math.min(longest, base * (1 + jitter * random()))
}
