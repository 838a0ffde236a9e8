/** The candidate that `word` was most likely meant to be; undefined when none is near. */
export function nearest(word: string, candidates: Iterable<string>): string | undefined {
  const wanted = plain(word)
  let best: string | undefined
  // A third of the word may be wrong; two letters of four would make `get` of `put`.
  let limit = Math.max(1, Math.floor(wanted.length / 3)) + 1
  for (const candidate of candidates) {
    const distance = editDistance(wanted, plain(candidate), limit)
    if (distance < limit) {
      best = candidate
      limit = distance
    }
  }
  return best
}

/** ` did you mean "x"?` behind a colon, or nothing. */
export function didYouMean(word: string, candidates: Iterable<string>): string {
  const candidate = nearest(word, candidates)
  return candidate === undefined || candidate === word ? '' : `: did you mean "${candidate}"?`
}

/** `connect_timeout`, `connect-timeout` and `connectTimeout` are one word to whoever types them. */
function plain(word: string): string {
  return word.toLowerCase().replace(/[-_\s]/g, '')
}

/**
 * Insertions, deletions, replacements and swaps of neighbours that make `b` of `a` (optimal string alignment,
 * Damerau 1964). Gives `limit` for anything not below it.
 */
function editDistance(a: string, b: string, limit: number): number {
  if (Math.abs(a.length - b.length) >= limit) return limit
  let before: number[] = []
  let previous = Array.from({ length: b.length + 1 }, (_, index) => index)
  for (let i = 1; i <= a.length; i++) {
    const row = [i]
    for (let j = 1; j <= b.length; j++) {
      const replaced = (previous[j - 1] as number) + (a[i - 1] === b[j - 1] ? 0 : 1)
      let distance = Math.min(replaced, (previous[j] as number) + 1, (row[j - 1] as number) + 1)
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) {
        distance = Math.min(distance, (before[j - 2] as number) + 1)
      }
      row.push(distance)
    }
    before = previous
    previous = row
  }
  return Math.min(limit, previous[b.length] as number)
}
