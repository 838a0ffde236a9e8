import { ABSENT, type Batch, type Column } from './protocol.js'

/** Lines of text from the values of a batch. */
export type Formatter = (batch: Batch) => string

// Control characters would let a client end a line and write one of its own, or talk to the terminal of whoever reads it.
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const UNSAFE_IN_JSON = /["\\\x00-\x1f\x7f-\x9f\u2028\u2029]/
const UNSAFE_BEYOND_JSON = /[\x7f-\x9f\u2028\u2029]/g
// biome-ignore lint/suspicious/noControlCharactersInRegex: as above
const UNSAFE_IN_TEXT = /["\\\x00-\x1f\x7f-\x9f\u2028\u2029]/g

/** One object a line, its keys in the order of the fields; a field without a value is left out. */
export function jsonFormatter(columns: readonly Column[]): Formatter {
  const keys = columns.map(({ name }) => `,${JSON.stringify(name)}:`)
  const writers = columns.map(({ name }) => jsonNumbers[name] ?? String)
  return ({ lines, text, lengths, numbers }) => {
    // One look at a whole batch: nearly always nothing in it needs escaping.
    const quote = UNSAFE_IN_JSON.test(text) ? quoteJson : quotePlain
    let out = ''
    let character = 0
    let t = 0
    let n = 0
    for (let line = 0; line < lines; line++) {
      let object = ''
      for (let i = 0; i < columns.length; i++) {
        if (columns[i]?.type === 'number') {
          const value = numbers[n++] as number
          if (!Number.isNaN(value))
            object += (keys[i] as string) + (writers[i] as (value: number) => string)(value)
          continue
        }
        const length = lengths[t++] as number
        if (length === ABSENT) continue
        object += (keys[i] as string) + quote(text.slice(character, character + length))
        character += length
      }
      out += `{${object.slice(1)}}\n`
    }
    return out
  }
}

const jsonNumbers: Readonly<Record<string, (value: number) => string>> = {
  time: (value) => `"${isoTime(value)}"`,
  duration: rounded,
  upstreamLatency: rounded
}

function quotePlain(value: string): string {
  return `"${value}"`
}

function quoteJson(value: string): string {
  if (!UNSAFE_IN_JSON.test(value)) return `"${value}"`
  return JSON.stringify(value).replace(UNSAFE_BEYOND_JSON, (character) => {
    return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`
  })
}

/** Values that have their place in the combined part of a line, by that place; the others follow as `name=value`. */
const COMBINED = [
  'client',
  'identity',
  'time',
  'method',
  'path',
  'query',
  'httpVersion',
  'status',
  'bytesOut',
  'header:referer',
  'userAgent'
]

/** nginx's `combined`, which log tools know, then every other field as `name=value`. A value that is not there is `-`. */
export function textFormatter(columns: readonly Column[]): Formatter {
  const names = columns.map(({ name }) => (/^header:referer$/i.test(name) ? 'header:referer' : name))
  const places = names.map((name) => COMBINED.indexOf(name))
  return ({ lines, text, lengths, numbers }) => {
    const escape = UNSAFE_IN_JSON.test(text) ? escapeText : asItIs
    const values = new Array<string>(COMBINED.length).fill('')
    let out = ''
    let character = 0
    let t = 0
    let n = 0
    for (let line = 0; line < lines; line++) {
      let rest = ''
      for (let i = 0; i < columns.length; i++) {
        let value = ''
        if (columns[i]?.type === 'number') {
          const number = numbers[n++] as number
          if (!Number.isNaN(number)) value = names[i] === 'time' ? commonTime(number) : rounded(number)
        } else {
          const length = lengths[t++] as number
          if (length !== ABSENT) value = escape(text.slice(character, (character += length)))
        }
        const place = places[i] as number
        if (place !== -1) values[place] = value
        else if (value !== '')
          rest += value.includes(' ') ? ` ${names[i]}="${value}"` : ` ${names[i]}=${value}`
      }
      out += `${combined(values)}${rest}\n`
    }
    return out
  }
}

function combined(values: readonly string[]): string {
  const [client, identity, time, method, path, query, version, status, bytesOut, referer, userAgent] = values
  const request = `${word(method)} ${word(path)}${query} HTTP/${version || '-'}`
  const heading = `${word(client)} - ${word(identity)} [${time || '-'}] "${request}" ${word(status)} ${word(bytesOut)}`
  return `${heading} "${referer || '-'}" "${userAgent || '-'}"`
}

/** A space would make two values of one. */
function word(value: string | undefined): string {
  if (value === undefined || value === '') return '-'
  return value.includes(' ') ? value.replaceAll(' ', '\\x20') : value
}

function asItIs(value: string): string {
  return value
}

/** As nginx does: what would end a value or a line is written `\xHH`. */
function escapeText(value: string): string {
  return value.replace(UNSAFE_IN_TEXT, (character) => {
    const code = character.charCodeAt(0)
    return code > 0xff ? `\\u${code.toString(16)}` : `\\x${code.toString(16).toUpperCase().padStart(2, '0')}`
  })
}

/** Whole microseconds of what is in ms: more digits than that are noise. */
function rounded(value: number): string {
  return String(Math.round(value * 1000) / 1000)
}

let second = Number.NaN
let isoSecond = ''
let commonSecond = ''

/** The texts of a second are made once in it. */
function atSecond(time: number): number {
  const start = Math.floor(time / 1000) * 1000
  if (start !== second) {
    second = start
    const date = new Date(start)
    isoSecond = date.toISOString().slice(0, 20)
    const [, day, month, year, clock] = date.toUTCString().split(' ')
    commonSecond = `${day}/${month}/${year}:${clock} +0000`
  }
  return Math.floor(time - start)
}

function isoTime(time: number): string {
  const ms = atSecond(time)
  return `${isoSecond}${String(ms).padStart(3, '0')}Z`
}

/** `21/Nov/2025:15:20:00 +0000`: the Common Log Format's, in UTC. */
function commonTime(time: number): string {
  atSecond(time)
  return commonSecond
}
