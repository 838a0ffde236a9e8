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

/** Whether a status line may carry it. */
export function isReasonPhrase(text: string): boolean {
  return VALUE.test(text)
}
