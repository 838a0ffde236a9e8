/** The highest there is. */
export const HIGHEST = 9

const NORMAL = 5

const WORDS: ReadonlyMap<string, number> = new Map([
  ['low', 2],
  ['normal', NORMAL],
  ['high', 8]
])

/** From 0 to 9: a digit, or `low` (2), `normal` (5) and `high` (8). Whatever else is said, or nothing, is 5. */
export function priorityOf(value: string | undefined): number {
  if (value === undefined) return NORMAL
  if (value.length === 1) {
    const digit = value.charCodeAt(0) - 48
    return digit >= 0 && digit <= HIGHEST ? digit : NORMAL
  }
  return WORDS.get(value) ?? NORMAL
}
