import { STATUS_CODES } from 'node:http'
import { isFieldName, isFieldValue } from './fields.js'

/** How the body of an answer ends. */
export type Framing = 'none' | 'length' | 'chunked'

export interface AnswerHead {
  /** latin1, up to and with the empty line. */
  readonly text: string
  readonly framing: Framing
  /** It says that the connection ends with the answer. */
  readonly close: boolean
}

/** `HTTP/1.1 200 OK` by status, made when first asked for. */
const statusLines = new Map<number, string>()

function statusLine(status: number, text: string): string {
  // What no status line can carry is said in the words of the standard.
  if (text !== '' && isFieldValue(text)) return `HTTP/1.1 ${status} ${text}\r\n`
  let line = statusLines.get(status)
  if (line === undefined) {
    if (!(Number.isInteger(status) && status >= 100 && status <= 999))
      throw new RangeError(`not a status: ${status}`)
    line = `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? 'unknown'}\r\n`
    statusLines.set(status, line)
  }
  return line
}

/** Made once a second, and not once an answer. */
let dateLine = ''
let dateSecond = 0

function dateField(): string {
  const second = Math.floor(Date.now() / 1000)
  if (second !== dateSecond) {
    dateSecond = second
    dateLine = `Date: ${new Date(second * 1000).toUTCString()}\r\n`
  }
  return dateLine
}

/**
 * The head of an answer as Node's own server writes it: with a Date where there is none, and what becomes of the
 * connection.
 *
 * @param bodiless an answer to HEAD, a 204 or a 304
 * @param close the connection is to end with the answer
 * @param keepAlive the line that says for how long it is kept otherwise; may be empty
 * @throws TypeError when a field cannot be sent
 */
export function answerHead(
  status: number,
  statusText: string,
  flat: readonly string[],
  bodiless: boolean,
  close: boolean,
  keepAlive: string
): AnswerHead {
  let text = statusLine(status, statusText)
  let dated = false
  let measured = false
  let ends = close
  let said = false
  for (let i = 0; i < flat.length; i += 2) {
    const name = flat[i] as string
    const value = flat[i + 1] as string
    if (!isFieldName(name) || !isFieldValue(value)) throw new TypeError(`field ${name} cannot be sent`)
    switch (name.length) {
      case 4:
        if (!dated) dated = name.toLowerCase() === 'date'
        break
      case 10:
        if (name.toLowerCase() === 'connection') {
          said = true
          if (value.toLowerCase() === 'close') ends = true
        }
        break
      case 14:
        if (!measured) measured = name.toLowerCase() === 'content-length'
        break
    }
    text += `${name}: ${value}\r\n`
  }
  if (!dated) text += dateField()
  if (!said) text += ends ? 'Connection: close\r\n' : keepAlive
  const framing = bodiless ? 'none' : measured ? 'length' : 'chunked'
  if (framing === 'chunked') text += 'Transfer-Encoding: chunked\r\n'
  text += '\r\n'
  return { text, framing, close: ends }
}
