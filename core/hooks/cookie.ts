import type { HeaderList } from './types.js'

/** What a browser keeps of one cookie at most (RFC 6265 section 6.1). */
const MAX_VALUE = 4_096

/**
 * A cookie's value as the client sent it: nothing is percent-decoded; quotes around it are taken off. Of several of this
 * name it is the first, which is the one of the longest path (RFC 6265 section 5.4). Reading it costs one pass over the
 * fields and makes no copy but the value.
 *
 * @param name with its case
 * @returns undefined where there is none, and where it is longer than 4,096 characters
 */
export function readCookie(headers: HeaderList, name: string): string | undefined {
  // HTTP/2 clients may send each cookie in a field of its own; joined by commas they could not be told apart.
  for (const field of headers.getAll('cookie')) {
    const value = valueIn(field, name)
    if (value !== undefined) return value.length > MAX_VALUE ? undefined : value
  }
  return undefined
}

function valueIn(field: string, name: string): string | undefined {
  const { length } = field
  for (let start = 0; start < length; ) {
    while (isSpace(field.charCodeAt(start))) start++
    let end = field.indexOf(';', start)
    if (end === -1) end = length
    const equals = start + name.length
    if (equals < end && field.charCodeAt(equals) === EQUALS && field.startsWith(name, start)) {
      return trimmed(field, equals + 1, end)
    }
    start = end + 1
  }
  return undefined
}

function trimmed(field: string, from: number, to: number): string {
  let start = from
  let end = to
  while (start < end && isSpace(field.charCodeAt(start))) start++
  while (end > start && isSpace(field.charCodeAt(end - 1))) end--
  if (end - start >= 2 && field.charCodeAt(start) === QUOTE && field.charCodeAt(end - 1) === QUOTE) {
    start++
    end--
  }
  return field.slice(start, end)
}

function isSpace(code: number): boolean {
  return code === 0x20 || code === 0x09
}

const EQUALS = 0x3d
const QUOTE = 0x22
