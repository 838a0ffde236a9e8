/**
 * What became of one request. From 0: it passes, and this is its key's debt in ms (see `Rate`). Below 0: it is refused,
 * and this is the negative of the ms until it would pass. `UNCOUNTED` and `UNKNOWN` are for when the store cannot be asked.
 */
export type Verdict = number

/** It passes, and nobody knows what its key has left. */
export const UNCOUNTED: Verdict = Number.NaN
/** It is refused, since nobody knows. */
export const UNKNOWN: Verdict = Number.NEGATIVE_INFINITY

export interface Store {
  /** Counts one request. Never rejects. */
  take(key: string): Verdict | Promise<Verdict>
  close(): void
}
