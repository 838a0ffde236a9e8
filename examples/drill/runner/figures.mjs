// What clients saw, in a few numbers.

/**
 * @param {import('./load.mjs').Answer[]} answers
 * @returns `good`: per cent; `p50`, `p99`, `worst`: ms, of all answers, bad ones and those that never came too
 */
export function figures(answers) {
  const times = answers.map(({ time }) => time).sort((a, b) => a - b)
  const good = answers.filter(({ isGood }) => isGood)
  const goodTimes = good.map(({ time }) => time).sort((a, b) => a - b)
  return {
    requests: answers.length,
    goodOnes: good.length,
    good: (100 * good.length) / Math.max(1, answers.length),
    p50: quantile(times, 0.5),
    p99: quantile(times, 0.99),
    worst: times.at(-1) ?? 0,
    /** Of the good ones alone. */
    goodP99: quantile(goodTimes, 0.99)
  }
}

/** The smallest time that this part of all did not exceed. */
function quantile(sorted, part) {
  return sorted[Math.max(0, Math.ceil(part * sorted.length) - 1)] ?? 0
}
