import { type ConfigSchema, isPlugin } from '../hooks/plugin.js'
import { isPlain } from './document.js'
import { type Path, pathKey } from './path.js'
import { secretPaths } from './secret-fields.js'

export const MASK = '***'

/** Keys under which every value is a secret, written with dashes, underscores or capitals alike. */
const SECRET =
  /(?:passw(?:or)?d|passphrase|secrets?|authorization|credentials?|apikeys?|privatekeys?|accesskeys?|signingkeys?)$/

/** Under these, text is: a number is a count of them (`tokens: 10`, `maxKeys: 3`). */
const SECRET_TEXT = /(?:tokens?|keys?|keyring)$/

/** Text that is a secret wherever it stands. */
const PRIVATE_PEM = /-----BEGIN [A-Z ]*PRIVATE KEY-----/
const SCHEME = /\b(Bearer|Basic)\s+[\w.~+/=-]{6,}/gi
const USER_INFO = /([a-z][a-z\d+.-]*:\/\/)[^/?#@\s]+@/gi

/** What a secret is read from is none. */
const REFERENCE = /^\$\{[A-Za-z_]\w*\}$/

type Secrecy = 'no' | 'text' | 'all'

function secrecyOf(key: PropertyKey): Secrecy {
  if (typeof key !== 'string') return 'no'
  const plain = key.toLowerCase().replace(/[^a-z\d]/g, '')
  if (SECRET.test(plain)) return 'all'
  return SECRET_TEXT.test(plain) ? 'text' : 'no'
}

/**
 * A copy that may be shown: what stands under keys that name secrets, what a schema marks (`.meta({ secret: true })` in
 * zod; `secret`, `writeOnly` or `format: password` in a JSON Schema), credentials in URLs and private keys are `***`. With
 * `secret: false` a schema says that a key is none, though it is called like one.
 * Plugins are their names.
 */
export function maskSecrets(value: unknown, schema?: ConfigSchema): unknown {
  return maskAt(value, schema === undefined ? new Map() : secretPaths(schema, value))
}

/** @param marked by `pathKey`, as `secretPaths` has them */
export function maskAt(root: unknown, marked: ReadonlyMap<string, boolean>): unknown {
  const above = new Set<unknown>()
  const visit = (value: unknown, path: Path, secrecy: Secrecy): unknown => {
    const said = marked.get(pathKey(path))
    const here = said === undefined ? secrecy : said ? 'all' : 'no'
    if (typeof value === 'string') return here !== 'no' && !REFERENCE.test(value) ? MASK : maskText(value)
    if (Array.isArray(value) || isPlain(value)) {
      if (isPlugin(value)) return value.name
      if (above.has(value)) return '[circular]'
      above.add(value)
      const copy = Array.isArray(value)
        ? value.map((item, index) => visit(item, [...path, index], here))
        : Object.fromEntries(
            Object.entries(value).map(([key, item]) => {
              const own = secrecyOf(key)
              return [key, visit(item, [...path, key], own === 'no' ? here : own)]
            })
          )
      above.delete(value)
      return copy
    }
    if (here === 'all' && value !== null && value !== undefined) return MASK
    return shown(value)
  }
  return visit(root, [], 'no')
}

/** What JSON has no form for, in words. */
function shown(value: unknown): unknown {
  switch (typeof value) {
    case 'function':
      return '[function]'
    case 'bigint':
    case 'symbol':
      return String(value)
    case 'object':
      return value === null
        ? null
        : value instanceof Date || value instanceof URL
          ? maskText(value.toJSON())
          : '[object]'
    default:
      return value
  }
}

function maskText(text: string): string {
  if (PRIVATE_PEM.test(text)) return MASK
  return text.replace(USER_INFO, `$1${MASK}@`).replace(SCHEME, `$1 ${MASK}`)
}

/** Whether a value at this path is one that a message must not quote. */
export function isSecretPath(path: Path): boolean {
  return path.some((key) => secrecyOf(key) !== 'no')
}
