import {
  compileTemplate,
  type Exchange,
  type HeaderList,
  isSettable,
  type Template,
  z
} from '../../core/index.js'

/** Fields that one list may name. */
const MAX_FIELDS = 100
/** RFC 9110 token. */
const TOKEN = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/
/** A field's value as it can be sent: no control character but TAB, nothing past latin1. */
const VALUE = /^[\t\x20-\x7e\x80-\xff]*$/

/** @returns what is wrong with a name, if anything */
function wrongName(name: string, host: boolean): string | undefined {
  if (!TOKEN.test(name)) return `expected the name of a header, not ${JSON.stringify(name)}`
  if (!isSettable(name)) return `expected a header that can be set: ${name} follows from the message`
  if (host && name.toLowerCase() === 'host')
    return 'expected the key host for it, beside request and response'
  return undefined
}

function wrongValue(text: string): string | undefined {
  // A value may be a secret: it is not told.
  if (!VALUE.test(text)) return 'expected visible characters alone'
  try {
    compileTemplate(text, 'header')
  } catch (error) {
    return (error as Error).message
  }
  return undefined
}

const text = z.union([z.string(), z.number().transform(String), z.boolean().transform(String)])

const values = (host: boolean) =>
  z.record(z.string(), text).superRefine((fields, context) => {
    const names = Object.keys(fields)
    if (names.length > MAX_FIELDS)
      context.addIssue({
        code: 'custom',
        message: `expected up to ${MAX_FIELDS} headers, not ${names.length}`
      })
    for (const name of names) {
      const message = wrongName(name, host) ?? wrongValue(fields[name] as string)
      if (message !== undefined) context.addIssue({ code: 'custom', path: [name], message })
    }
  })

const names = (host: boolean) =>
  z
    .array(z.string())
    .max(MAX_FIELDS)
    .superRefine((names, context) => {
      names.forEach((name, i) => {
        const message = wrongName(name, host)
        if (message !== undefined) context.addIssue({ code: 'custom', path: [i], message })
      })
    })

/** @param host whether these are a request's, whose Host has a key of its own */
export const changes = (host: boolean) =>
  z
    .strictObject({
      set: values(host)
        .optional()
        .describe('Headers by name: each takes the place of all of its name. May hold variables.'),
      append: values(host).optional().describe('Headers by name, added behind those that are there.'),
      remove: names(host).optional().describe('Names of headers that are taken out.')
    })
    .superRefine((all, context) => {
      if (Object.keys(all).length === 0)
        context.addIssue({ code: 'custom', message: 'expected set, append or remove' })
    })

type ChangesConfig = z.output<ReturnType<typeof changes>>

/** First removes, then sets, then appends. A value of variables alone that comes to nothing is no field: `set` removes it. */
export class Changes {
  readonly #remove: readonly string[]
  readonly #set: readonly (readonly [string, Template, boolean])[]
  readonly #append: readonly (readonly [string, Template, boolean])[]

  constructor({ set = {}, append = {}, remove = [] }: ChangesConfig) {
    this.#remove = remove
    this.#set = compiled(set)
    this.#append = compiled(append)
  }

  /** @throws ProxyError BAD_REQUEST where a value becomes too long */
  apply(headers: HeaderList, exchange: Exchange): void {
    for (const name of this.#remove) headers.delete(name)
    for (const [name, value, mayBeEmpty] of this.#set) {
      const text = value(exchange)
      if (text === '' && !mayBeEmpty) headers.delete(name)
      else headers.set(name, text)
    }
    for (const [name, value, mayBeEmpty] of this.#append) {
      const text = value(exchange)
      if (text !== '' || mayBeEmpty) headers.append(name, text)
    }
  }
}

function compiled(fields: Readonly<Record<string, string>>): [string, Template, boolean][] {
  return Object.entries(fields).map(([name, text]) => [name, compileTemplate(text, 'header'), text === ''])
}
