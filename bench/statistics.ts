// The arithmetic that every figure goes through.

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  if (sorted.length === 0) return Number.NaN
  const middle = sorted.length >> 1
  if (sorted.length % 2 === 1) return sorted[middle] as number
  return ((sorted[middle - 1] as number) + (sorted[middle] as number)) / 2
}

export function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length
}

/** The value that a part of all are below. @param sorted ascending @param part from 0 to 1 @returns NaN of none */
export function quantile(sorted: readonly number[], part: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? Number.NaN
}

/** The median of each round's own ratio: what disturbed a round disturbed both sides of it. NaN of no rounds. */
export function ratioOfRounds(these: readonly number[], those: readonly number[]): number {
  return median(these.slice(0, those.length).map((one, round) => one / (those[round] as number)))
}

/** A line through points by least squares. */
export interface Line {
  /** By how much y grows for each unit of x. */
  readonly slope: number
  /** y where x is 0. */
  readonly start: number
}

/** @returns a level line through fewer than two different x */
export function fit(points: readonly (readonly [x: number, y: number])[]): Line {
  const x = mean(points.map(([at]) => at))
  const y = mean(points.map(([, value]) => value))
  let over = 0
  let under = 0
  for (const [at, value] of points) {
    over += (at - x) * (value - y)
    under += (at - x) ** 2
  }
  const slope = under === 0 ? 0 : over / under
  return { slope, start: y - slope * x }
}
