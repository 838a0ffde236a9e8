const LONGEST = 60

/** A value as a message quotes it: on one line, cut where it is long. */
export function quote(value: unknown): string {
  switch (typeof value) {
    case 'string':
      return JSON.stringify(value.length > LONGEST ? `${value.slice(0, LONGEST)}...` : value)
    case 'object':
      if (value === null) return 'nothing (null)'
      if (Array.isArray(value)) return value.length === 0 ? 'an empty list' : 'a list'
      return Object.keys(value).length === 0 ? 'an empty object' : 'an object'
    case 'undefined':
      return 'nothing'
    case 'function':
      return 'a function'
    default:
      return String(value)
  }
}

/** `a, b or c`. */
export function either(words: readonly string[], conjunction = 'or'): string {
  if (words.length < 2) return words.join('')
  return `${words.slice(0, -1).join(', ')} ${conjunction} ${words.at(-1)}`
}

/** What a message says of a value that is none of `what`, or that is not there. */
export function expected(what: string, value: unknown): string {
  return value === undefined ? `missing: expected ${what}` : `expected ${what}, not ${quote(value)}`
}
