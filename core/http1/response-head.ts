import { isNamed, LENGTH, readFieldLines } from './fields.js'

/** What a response in the strict grammar begins with. */
export interface ResponseStart {
  /** 200 to 599 */
  readonly status: number
  readonly statusText: string
  /** Flat, as sent. */
  readonly fields: string[]
  /** Bytes of body, or `CHUNKED`. */
  readonly length: number
  /** The connection ends with the response. */
  readonly close: boolean
  /** ms after which the service may end the connection; undefined where it does not say. */
  readonly keepAlive: number | undefined
}

export const CHUNKED = -1

/** No body was told of. */
const UNTOLD = -2

const LF = 0x0a
const CR = 0x0d
const SP = 0x20
const TILDE = 0x7e
const ZERO = 0x30

/** Bytes of a head. */
const MOST = 16 * 1024
/** Bytes that nearly every head is shorter than. */
const USUAL = 1024

const VERSION = 'HTTP/1.1 '
/** Where the reason begins. */
const REASON = VERSION.length + 4

type LatinBuffer = Buffer & { latin1Slice(start: number, end: number): string }

/** The head at the start of what came, up to and with the empty line; empty where that is not there, or is far. */
export function headIn(chunk: Buffer): string {
  const { length } = chunk
  let text = (chunk as LatinBuffer).latin1Slice(0, Math.min(length, USUAL))
  let end = text.indexOf('\r\n\r\n')
  if (end === -1 && length > USUAL) {
    text = (chunk as LatinBuffer).latin1Slice(0, Math.min(length, MOST))
    end = text.indexOf('\r\n\r\n')
  }
  if (end === -1) return ''
  // Not a slice of the longer text, which is slower to read.
  return end + 4 === text.length ? text : (chunk as LatinBuffer).latin1Slice(0, end + 4)
}

/**
 * Reads the head of a response that any two readers take for the same. Undefined is no verdict on the response: interim
 * responses, HTTP/1.0, bodies that end with their connection, repeated framing fields and whatever is malformed are for
 * the standard path to judge.
 *
 * @param text latin1, up to and with the empty line
 * @param bodiless the request was a HEAD
 */
export function readResponseHead(text: string, bodiless: boolean): ResponseStart | undefined {
  if (!text.startsWith(VERSION) || text.charCodeAt(REASON - 1) !== SP) return undefined
  const status = statusIn(text)
  // 205 has no body by its meaning (RFC 9110 section 15.3.6), and readers differ in whether it may have one by its form.
  if (status < 200 || status > 599 || status === 205) return undefined
  let at = REASON
  while (isReason(text.charCodeAt(at))) at++
  if (text.charCodeAt(at) !== CR || text.charCodeAt(at + 1) !== LF) return undefined
  const fields: string[] = []
  if (!readFieldLines(text, at + 2, fields)) return undefined
  return framed(status, text.slice(REASON, at), fields, bodiless)
}

/** 0 where it is none. */
function statusIn(text: string): number {
  let status = 0
  for (let at = VERSION.length; at < VERSION.length + 3; at++) {
    const digit = text.charCodeAt(at) - ZERO
    if (!(digit >= 0 && digit <= 9)) return 0
    status = status * 10 + digit
  }
  return status
}

/** In ASCII: what is beyond it, readers take for different encodings. */
function isReason(code: number): boolean {
  return code >= SP && code <= TILDE
}

/** Looks at the fields that say where the response ends and what becomes of the connection. */
function framed(
  status: number,
  statusText: string,
  fields: string[],
  bodiless: boolean
): ResponseStart | undefined {
  let told = UNTOLD
  let close = false
  let keepAlive: number | undefined
  for (let i = 0; i < fields.length; i += 2) {
    const name = fields[i] as string
    switch (name.length) {
      case 10:
        if (isNamed(name, 'connection')) {
          const value = fields[i + 1] as string
          if (isNamed(value, 'close')) close = true
          else if (!isNamed(value, 'keep-alive')) return undefined
        } else if (isNamed(name, 'keep-alive')) {
          const ms = timeoutIn(fields[i + 1] as string)
          if (ms !== undefined) keepAlive = keepAlive === undefined ? ms : Math.min(keepAlive, ms)
        }
        break
      case 14:
        if (isNamed(name, 'content-length')) {
          const value = fields[i + 1] as string
          if (told !== UNTOLD || !LENGTH.test(value)) return undefined
          told = Number(value)
        }
        break
      case 16:
        // What some take for `Connection`.
        if (isNamed(name, 'proxy-connection')) return undefined
        break
      case 17:
        if (isNamed(name, 'transfer-encoding')) {
          if (told !== UNTOLD || (fields[i + 1] as string).toLowerCase() !== 'chunked') return undefined
          told = CHUNKED
        }
        break
    }
  }
  const length = bodyOf(status, told, bodiless)
  return length === undefined ? undefined : { status, statusText, fields, length, close, keepAlive }
}

/** @returns undefined where it is not beyond doubt */
function bodyOf(status: number, told: number, bodiless: boolean): number | undefined {
  if (bodiless) return 0
  if (status === 204) return told === UNTOLD || told === 0 ? 0 : undefined
  if (status === 304) return told === CHUNKED ? undefined : 0
  return told === UNTOLD ? undefined : told
}

const TIMEOUT = /timeout=(\d+)/

/** What was read last: a service says the same in each of its responses. */
let lastValue = ''
let lastTimeout: number | undefined

function timeoutIn(value: string): number | undefined {
  if (value !== lastValue) {
    const match = TIMEOUT.exec(value)
    lastValue = value
    lastTimeout = match === null ? undefined : Number(match[1]) * 1_000
  }
  return lastTimeout
}
