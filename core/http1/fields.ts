// The strict subset of a head's grammar (RFC 9112 section 5) that the fast lane reads. What it does not take, the
// standard path reads from the first byte.

/** What a field's name may hold: tchar (RFC 9110 section 5.6.2). By character code, 1 for yes. */
const NAME = new Uint8Array(256)
/** What a field's value may hold: HTAB, SP, VCHAR and obs-text (RFC 9110 section 5.5). */
const VALUE = new Uint8Array(256)
/** The same without HTAB, which readers take for space at some places and for an error at others. */
const STRICT = new Uint8Array(256)

for (const character of "!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz")
  NAME[character.charCodeAt(0)] = 1
for (let code = 0x20; code < 256; code++) VALUE[code] = STRICT[code] = code === 0x7f ? 0 : 1
VALUE[0x09] = 1

const LF = 0x0a
const CR = 0x0d
const SP = 0x20
const COLON = 0x3a

/**
 * Reads field lines onto a flat list `[name, value, ...]`: names as they were sent, values without the spaces around.
 *
 * @param text latin1, up to and with the empty line
 * @param from where the first field line begins
 * @returns false for what is no field line: the list is then of no use
 */
export function readFieldLines(text: string, from: number, flat: string[]): boolean {
  const last = text.length - 2
  let at = from
  while (at < last) {
    const start = at
    while (NAME[text.charCodeAt(at)] === 1) at++
    if (at === start || text.charCodeAt(at) !== COLON) return false
    const name = text.slice(start, at)
    at++
    while (text.charCodeAt(at) === SP) at++
    const begin = at
    while (STRICT[text.charCodeAt(at)] === 1) at++
    if (text.charCodeAt(at) !== CR || text.charCodeAt(at + 1) !== LF) return false
    let end = at
    while (end > begin && text.charCodeAt(end - 1) === SP) end--
    flat.push(name, text.slice(begin, end))
    at += 2
  }
  return at === last && text.charCodeAt(at) === CR
}

/** Whether a value holds nothing that would end its line, or that no value may hold. */
export function isFieldValue(value: string): boolean {
  for (let at = 0; at < value.length; at++) {
    if (VALUE[value.charCodeAt(at)] !== 1) return false
  }
  return true
}

/** Whether it is a field's name. */
export function isFieldName(name: string): boolean {
  for (let at = 0; at < name.length; at++) {
    if (NAME[name.charCodeAt(at)] !== 1) return false
  }
  return name.length > 0
}

/** Whether it is that name, given in lower case. */
export function isNamed(name: string, lower: string): boolean {
  return name === lower || (name.length === lower.length && name.toLowerCase() === lower)
}

/** A length that nobody could read in two ways, and no more than a number holds exactly. */
export const LENGTH = /^(?:0|[1-9]\d{0,14})$/
