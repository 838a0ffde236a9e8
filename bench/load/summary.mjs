// Many times in a few figures.

/** @param values ms, sorted in place @returns ms */
export function summary(values) {
  values.sort()
  const at = (part) => values[Math.min(values.length - 1, Math.floor(values.length * part))] ?? null
  let sum = 0
  for (const value of values) sum += value
  return {
    mean: values.length === 0 ? null : sum / values.length,
    p50: at(0.5),
    p99: at(0.99),
    max: at(1)
  }
}
