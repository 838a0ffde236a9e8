/** RFC 9110 token. */
const NAME = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/
/** RFC 9110 field value as Node writes it: no control character but TAB, nothing past latin1. */
const VALUE = /^[\t\x20-\x7e\x80-\xff]*$/

/** @throws TypeError on a header's name or value that would break the framing, or that Node would not write */
export function checkField(name: string, value: string): void {
  if (!NAME.test(name)) throw new TypeError(`not a header name: ${JSON.stringify(name)}`)
  if (typeof value !== 'string' || !VALUE.test(value)) {
    // The value may be a secret and the message may be logged: only the name is told.
    throw new TypeError(`the value of header ${name} is not a string of visible characters`)
  }
}

/** Fields that say how a message is framed or what its connection is for: they follow from the message. */
const FRAMING: ReadonlySet<string> = new Set([
  'connection',
  'content-length',
  'keep-alive',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade'
])

/** @throws TypeError as `checkField`, and on a field that is not for a plugin to set */
export function checkSettable(name: string, value: string): void {
  checkField(name, value)
  if (!isSettable(name)) {
    throw new TypeError(`${name} is not for a plugin to set: it follows from the message`)
  }
}

/** Whether a plugin may set fields of this name: all but those that follow from the message, such as `content-length`. */
export function isSettable(name: string): boolean {
  return !FRAMING.has(name.toLowerCase())
}

/** Whether a status line may carry it. */
export function isReasonPhrase(text: string): boolean {
  return VALUE.test(text)
}

/**
 * Whether two field names are one without regard to case, or are taken for one by CGI-like services: `x_user` and
 * `X.User` both become HTTP_X_USER, as `x-user` does.
 */
export function alike(name: string, other: string): boolean {
  if (name === other) return true
  const { length } = name
  if (length !== other.length) return false
  for (let i = 0; i < length; i++) {
    if (folded(name.charCodeAt(i)) !== folded(other.charCodeAt(i))) return false
  }
  return true
}

function folded(code: number): number {
  if (code >= 0x41 && code <= 0x5a) return code + 0x20
  return code === UNDERSCORE || code === DOT ? DASH : code
}

const UNDERSCORE = 0x5f
const DOT = 0x2e
const DASH = 0x2d
