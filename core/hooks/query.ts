/** Parameters that are looked at, from the left. */
const MAX_PARAMETERS = 1_000

/**
 * A query parameter's value, decoded as forms are (`+` is a space); of a repeated one the first. An escape that does not
 * decode stands as it was sent.
 *
 * @param query with or without its `?`
 * @param name decoded, with its case
 * @returns undefined where there is none; empty for `?name` and `?name=`
 */
export function readParameter(query: string, name: string): string | undefined {
  const { length } = query
  let start = query.charCodeAt(0) === QUESTION ? 1 : 0
  for (let i = 0; start < length && i < MAX_PARAMETERS; i++) {
    let end = query.indexOf('&', start)
    if (end === -1) end = length
    let equals = query.indexOf('=', start)
    if (equals === -1 || equals > end) equals = end
    if (isNamed(query, start, equals, name)) return decoded(query.slice(Math.min(equals + 1, end), end))
    start = end + 1
  }
  return undefined
}

function isNamed(query: string, start: number, end: number, name: string): boolean {
  if (end - start === name.length && query.startsWith(name, start)) return true
  // An escaped name is longer than what it stands for, but for `+`.
  return end - start >= name.length && end > start && decoded(query.slice(start, end)) === name
}

function decoded(text: string): string {
  if (!/[%+]/.test(text)) return text
  const spaced = text.replaceAll('+', ' ')
  try {
    return decodeURIComponent(spaced)
  } catch {
    return spaced
  }
}

const QUESTION = 0x3f
