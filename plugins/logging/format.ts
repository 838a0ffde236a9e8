import type { Exchange, Result } from '../../core/index.js'
import type { Column, NumberField, TextField } from './fields.js'

/** Characters of a value that are kept: a client chooses path and user agent, and could fill the disk with them. */
const MAX_VALUE = 2048
/** Plain values up to this long are remembered, since the next exchange often has the same. */
const REMEMBERED = 256

/** Makes the lines of one log. */
export interface LineMaker {
  /** With its end. Throws what a field throws. */
  line(result: Result, exchange: Exchange, now: number): string
  /** Whether the last one holds characters beyond ASCII. */
  readonly wide: boolean
}

export function lineMaker(format: 'json' | 'text', columns: readonly Column[]): LineMaker {
  return format === 'json' ? new JsonLines(columns) : new TextLines(columns)
}

// Control characters would let a client end a line and write one of its own, or talk to the terminal of whoever reads it.
const NEEDS_A_LOOK = /[^\x20\x21\x23-\x5b\x5d-\x7e]/
const UNSAFE_BEYOND_JSON = /[\x7f-\x9f\u2028\u2029]/g
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const UNSAFE_IN_TEXT = /["\\\x00-\x1f\x7f-\x9f\u2028\u2029]/g
// biome-ignore lint/suspicious/noControlCharactersInRegex: what ASCII is
const BEYOND_ASCII = /[^\x00-\x7f]/

/** One field of a line as text, with what belongs to it. */
interface Piece {
  /** Whether the last text holds characters beyond ASCII; may say so of an empty one. */
  readonly wide: boolean
  /** Empty without a value. */
  of(result: Result, exchange: Exchange, now: number): string
}

/** Made anew only when the value is another than the two before: of two endpoints requests come to one and to the other. */
class TextPiece implements Piece {
  readonly #field: TextField
  readonly #escape: (value: string) => string
  readonly #wrap: (value: string) => string
  #known: string | undefined
  #text = ''
  #knownBefore: string | undefined
  #textBefore = ''
  wide = false

  /**
   * @param escape for a value that has more in it than plain characters
   * @param wrap puts around the escaped value what goes with it
   */
  constructor(field: TextField, escape: (value: string) => string, wrap: (value: string) => string) {
    this.#field = field
    this.#escape = escape
    this.#wrap = wrap
  }

  of(result: Result, exchange: Exchange): string {
    const value = this.#field.read(result, exchange)
    return value === this.#known ? this.#text : this.#remake(value)
  }

  #remake(value: string | undefined): string {
    const before = this.#textBefore
    const again = value === this.#knownBefore
    this.#knownBefore = this.#known
    this.#textBefore = this.#text
    this.#known = value
    this.wide = false
    if (again) return (this.#text = before)
    if (value === undefined || value === '') return (this.#text = '')
    if (value.length <= REMEMBERED && !NEEDS_A_LOOK.test(value)) return (this.#text = flat(this.#wrap(value)))
    const kept = value.length > MAX_VALUE ? `${value.slice(0, MAX_VALUE)}…` : value
    const text = this.#wrap(this.#escape(kept))
    this.wide = BEYOND_ASCII.test(text)
    // What is as long as a client pleases is not held on to.
    this.#known = undefined
    this.#text = ''
    return text
  }
}

/** Never the same twice. */
class IdPiece implements Piece {
  readonly #before: string
  readonly wide = false

  constructor(before: string) {
    this.#before = before
  }

  of(_result: Result, { id }: Exchange): string {
    return `${this.#before}${NEEDS_A_LOOK.test(id) ? escapeJson(id) : id}"`
  }
}

const AT_ITS_START = /^\n/

/** The same, in one piece: V8 keeps what was put together as its parts, and would go through them for every line anew. */
function flat(text: string): string {
  AT_ITS_START.test(text)
  return text
}

class NumberPiece implements Piece {
  readonly #field: NumberField
  readonly #make: (value: number) => string
  readonly wide = false

  constructor(field: NumberField, make: (value: number) => string) {
    this.#field = field
    this.#make = make
  }

  of(result: Result, exchange: Exchange, now: number): string {
    const value = this.#field.read(result, exchange, now)
    return Number.isNaN(value) ? '' : this.#make(value)
  }
}

/** One object a line, its keys in the order of the fields; a field without a value is left out. */
class JsonLines implements LineMaker {
  readonly #pieces: readonly Piece[]
  wide = false

  constructor(columns: readonly Column[]) {
    this.#pieces = columns.map(({ name, field }) => {
      const key = `,${JSON.stringify(name)}:`
      const quoted = `${key}"`
      if (name === 'requestId') return new IdPiece(quoted)
      if (field.type === 'text') return new TextPiece(field, escapeJson, (value) => `${quoted}${value}"`)
      if (name === 'time') return new NumberPiece(field, isoTimes(key))
      const digits = name === 'duration' || name === 'upstreamLatency' ? rounded : String
      return new NumberPiece(field, (value) => key + digits(value))
    })
  }

  line(result: Result, exchange: Exchange, now: number): string {
    const pieces = this.#pieces
    let wide = false
    let object = ''
    for (let i = 0; i < pieces.length; i++) {
      const piece = pieces[i] as Piece
      const text = piece.of(result, exchange, now)
      if (text === '') continue
      object = object === '' ? `{${text.slice(1)}` : object + text
      if (piece.wide) wide = true
    }
    this.wide = wide
    return object === '' ? '{}\n' : `${object}}\n`
  }
}

function escapeJson(value: string): string {
  return JSON.stringify(value)
    .slice(1, -1)
    .replace(UNSAFE_BEYOND_JSON, (character) => {
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
class TextLines implements LineMaker {
  readonly #pieces: readonly Piece[]
  /** Where each has its place in the combined part; -1 for none. */
  readonly #places: readonly number[]
  readonly #values = new Array<string>(COMBINED.length).fill('')
  wide = false

  constructor(columns: readonly Column[]) {
    const names = columns.map(({ name }) => (/^header:referer$/i.test(name) ? 'header:referer' : name))
    this.#places = names.map((name) => COMBINED.indexOf(name))
    this.#pieces = columns.map(({ field }, i) => {
      const placed = this.#places[i] !== -1
      const name = names[i] as string
      if (field.type === 'number') {
        const make = name === 'time' ? commonTime : rounded
        return new NumberPiece(field, placed ? make : (value) => ` ${name}=${make(value)}`)
      }
      return new TextPiece(field, escapeText, (value) => (placed ? value : named(name, value)))
    })
  }

  line(result: Result, exchange: Exchange, now: number): string {
    const pieces = this.#pieces
    const values = this.#values
    let wide = false
    let rest = ''
    for (let i = 0; i < pieces.length; i++) {
      const piece = pieces[i] as Piece
      const text = piece.of(result, exchange, now)
      if (piece.wide) wide = true
      const place = this.#places[i] as number
      if (place !== -1) values[place] = text
      else rest += text
    }
    this.wide = wide
    return `${combined(values)}${rest}\n`
  }
}

function named(name: string, value: string): string {
  return value.includes(' ') ? ` ${name}="${value}"` : ` ${name}=${value}`
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

/** As nginx does: what would end a value or a line is written `\xHH`. */
function escapeText(value: string): string {
  return value.replace(UNSAFE_IN_TEXT, (character) => {
    const code = character.charCodeAt(0)
    return code > 0xff ? `\\u${code.toString(16)}` : `\\x${code.toString(16).toUpperCase().padStart(2, '0')}`
  })
}

/** What is behind the point, of thousandths, by their number: `.5` for 500, and nothing for 0. */
const FRACTIONS = Array.from({ length: 1000 }, (_, thousandths) => String(thousandths / 1000).slice(1))
/** From here on a number is not whole thousandths any more, or its text not plain digits. */
const EXACT = 2 ** 43

/** Whole microseconds of what is in ms: more digits than that are noise. Digits of a fraction take long to find; these are kept. */
function rounded(value: number): string {
  if (!(value >= 0 && value < EXACT)) return String(Math.round(value * 1000) / 1000)
  const thousandths = Math.round(value * 1000)
  const whole = Math.floor(thousandths / 1000)
  return whole + (FRACTIONS[thousandths - whole * 1000] as string)
}

/** Its text is made once in a millisecond. */
function isoTimes(key: string): (time: number) => string {
  let known = Number.NaN
  let text = ''
  return (time) => {
    if (time !== known) {
      known = time
      text = flat(`${key}"${isoTime(time)}"`)
    }
    return text
  }
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
