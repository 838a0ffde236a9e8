/** What one endpoint's attempts of one interval came to. */
export interface Sample {
  readonly successes: number
  readonly failures: number
}

interface Spread {
  readonly mean: number
  readonly deviation: number
}

/** From 0 to 1; 1 of none. */
export function successRateOf({ successes, failures }: Sample): number {
  const all = successes + failures
  return all === 0 ? 1 : successes / all
}

/** Mean and standard deviation, of all of them and not of a sample, as Envoy takes it. */
export function spreadOf(rates: readonly number[]): Spread {
  let sum = 0
  for (const rate of rates) sum += rate
  const mean = sum / rates.length
  let squares = 0
  for (const rate of rates) squares += (rate - mean) ** 2
  return { mean, deviation: Math.sqrt(squares / rates.length) }
}

/** What sums of fractions are off by: rates that are all the same are to have none below the mean. */
const ROUNDING = 1e-9

/**
 * Envoy's success rate outliers: below `mean - stdev x deviation` (`success_rate_stdev_factor` / 1000).
 *
 * @param stdev the factor
 */
export function isBelow(rate: number, { mean, deviation }: Spread, stdev: number): boolean {
  return rate < mean - stdev * deviation - ROUNDING
}

/** Failures that there must be at least, and standard deviations by which they must pass what is expected of them. */
const FEWEST = 5
const DEVIATIONS = 4

/**
 * Whether an endpoint that is as good as the mean would hardly ever fail as often. Where nearly everything succeeds, rates lie so
 * close together that by the deviation alone an endpoint with one failure more than the others is an outlier; how far the
 * rates of equal endpoints lie apart by chance is known (the binomial distribution: `sqrt(n p (1 - p))` failures).
 */
export function isPastChance({ successes, failures }: Sample, mean: number): boolean {
  const all = successes + failures
  const expected = (1 - mean) * all
  return failures >= FEWEST && failures >= expected + DEVIATIONS * Math.sqrt(expected * mean) - ROUNDING
}

/** Envoy's failure percentage: at or past the threshold. */
export function failsTooOften(rate: number, threshold: number): boolean {
  return (1 - rate) * 100 >= threshold - ROUNDING
}
