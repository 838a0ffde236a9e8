export interface Summary {
  readonly mean: number | null
  readonly p50: number | null
  readonly p99: number | null
  readonly max: number | null
}

/** @param values ms, sorted in place @returns ms */
export function summary(values: Float64Array): Summary
