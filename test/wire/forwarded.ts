// A strict reader of `Forwarded` (RFC 7239 section 4): what it does not allow, this refuses.
import { isIPv4, isIPv6 } from 'node:net'

export type ForwardedElement = Record<string, string>

const TOKEN = /[!#$%&'*+.^_`|~\dA-Za-z-]+/y
const QUOTED = /"((?:[\t \x21\x23-\x5b\x5d-\x7e\x80-\xff]|\\[\t \x21-\x7e\x80-\xff])*)"/y
const COMMA = /[ \t]*,[ \t]*/y

/** @throws SyntaxError */
export function parseForwarded(field: string): ForwardedElement[] {
  let at = 0
  const take = (pattern: RegExp): string[] | undefined => {
    pattern.lastIndex = at
    const match = pattern.exec(field)
    if (match !== null) at = pattern.lastIndex
    return match === null ? undefined : [...match]
  }
  const fail = (): never => {
    throw new SyntaxError(`not Forwarded at ${at}: ${field}`)
  }
  const elements: ForwardedElement[] = []
  do {
    const element: ForwardedElement = {}
    do {
      const [name = ''] = take(TOKEN) ?? fail()
      if (field[at++] !== '=') fail()
      const quoted = take(QUOTED)
      const value = quoted?.[1]?.replace(/\\(.)/g, '$1') ?? (take(TOKEN) ?? fail())[0]
      const key = name.toLowerCase()
      if (key in element) fail()
      if ((key === 'for' || key === 'by') && !isNode(value as string)) fail()
      if (key === 'proto' && !/^[A-Za-z][A-Za-z\d+.-]*$/.test(value as string)) fail()
      element[key] = value as string
    } while (field[at] === ';' && ++at)
    elements.push(element)
  } while (take(COMMA) !== undefined)
  if (at !== field.length) fail()
  return elements
}

/** Section 6: an address, an IPv6 one in brackets, `unknown` or an obfuscated name; each may have a port. */
function isNode(text: string): boolean {
  const [, name = ''] = /^(\[[^\]]*\]|[^:]*)(?::(?:\d{1,5}|_[\w.-]+))?$/.exec(text) ?? []
  if (name.startsWith('[')) return isIPv6(name.slice(1, -1)) && !name.includes('%')
  return isIPv4(name) || name === 'unknown' || /^_[\w.-]+$/.test(name)
}
