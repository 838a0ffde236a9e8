import { type ConfigSchema, isPlugin } from '../hooks/plugin.js'
import { isPlain } from './document.js'
import { type Path, putKey } from './path.js'
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

/** Of keys that were met: a configuration has the same few again and again. */
const known = new Map<string, Secrecy>()
/** Keys that are remembered: names of services and headers are keys, too. */
const MOST_KNOWN = 1000

function secrecyOf(key: PropertyKey): Secrecy {
  if (typeof key !== 'string') return 'no'
  let secrecy = known.get(key)
  if (secrecy === undefined) {
    secrecy = judge(key)
    if (known.size < MOST_KNOWN) known.set(key, secrecy)
  }
  return secrecy
}

function judge(key: string): Secrecy {
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
  const marked = schema === undefined ? new Map<string, boolean>() : secretPaths(schema, value)
  const masking = maskAt(value, marked, false)
  for (;;) {
    const step = masking.next()
    if (step.done === true) return step.value
  }
}

/** What a schema says of a value and of those within it. */
interface Marks {
  secret: boolean | undefined
  readonly within: Map<string, Marks>
}

/** Levels of a configuration at which there is a pause behind each value: its parts, and each service and route. */
const PAUSED = 2

/**
 * @param marked by `pathKey`, as `secretPaths` has them
 * @param owned nobody else holds what is masked: parts without a secret need no copy
 */
export function* maskAt(
  root: unknown,
  marked: ReadonlyMap<string, boolean>,
  owned: boolean
): Generator<void, unknown> {
  const above = new Set<unknown>()
  const visit = (value: unknown, marks: Marks | undefined, secrecy: Secrecy): unknown => {
    const here = secrecyHere(marks, secrecy)
    if (!isTree(value)) return leaf(value, here)
    if (above.has(value)) return '[circular]'
    const list = Array.isArray(value)
    let copy: Tree | undefined = owned ? undefined : ((list ? [] : {}) as Tree)
    above.add(value)
    for (const key of list ? value.keys() : Object.keys(value)) {
      const item = value[key]
      const own = secrecyOf(key)
      const masked = visit(item, marks?.within.get(String(key)), own === 'no' ? here : own)
      if (masked !== item) copy ??= (list ? [...value] : { ...value }) as Tree
      if (copy !== undefined) putKey(copy, key, masked)
    }
    above.delete(value)
    return copy ?? value
  }
  const visitWide = function* (
    value: unknown,
    marks: Marks | undefined,
    secrecy: Secrecy,
    levels: number
  ): Generator<void, unknown> {
    if (levels === 0 || !isTree(value) || above.has(value)) return visit(value, marks, secrecy)
    const here = secrecyHere(marks, secrecy)
    const list = Array.isArray(value)
    const copy = (list ? [] : {}) as Tree
    above.add(value)
    for (const key of list ? value.keys() : Object.keys(value)) {
      const own = secrecyOf(key)
      const within = marks?.within.get(String(key))
      putKey(copy, key, yield* visitWide(value[key], within, own === 'no' ? here : own, levels - 1))
      yield
    }
    above.delete(value)
    return copy
  }
  return yield* visitWide(root, yield* treeOf(marked), 'no', PAUSED)
}

type Tree = Record<PropertyKey, unknown>

function isTree(value: unknown): value is Tree {
  return Array.isArray(value) || (isPlain(value) && !isPlugin(value))
}

function* treeOf(marked: ReadonlyMap<string, boolean>): Generator<void, Marks> {
  const root: Marks = { secret: undefined, within: new Map() }
  for (const [key, secret] of marked) {
    let marks = root
    for (const part of JSON.parse(key) as string[]) {
      let next = marks.within.get(part)
      if (next === undefined) marks.within.set(part, (next = { secret: undefined, within: new Map() }))
      marks = next
    }
    marks.secret = secret
    yield
  }
  return root
}

function secrecyHere(marks: Marks | undefined, secrecy: Secrecy): Secrecy {
  if (marks?.secret === undefined) return secrecy
  return marks.secret ? 'all' : 'no'
}

function leaf(value: unknown, here: Secrecy): unknown {
  if (typeof value === 'string') return here !== 'no' && !REFERENCE.test(value) ? MASK : maskText(value)
  if (isPlugin(value)) return value.name
  if (here === 'all' && value !== null && value !== undefined) return MASK
  return shown(value)
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

/** What all three of the patterns have a character of. */
const SUSPECT = /[\s@]/

function maskText(text: string): string {
  if (!SUSPECT.test(text)) return text
  if (PRIVATE_PEM.test(text)) return MASK
  return text.replace(USER_INFO, `$1${MASK}@`).replace(SCHEME, `$1 ${MASK}`)
}

/** Whether a value at this path is one that a message must not quote. */
export function isSecretPath(path: Path): boolean {
  return path.some((key) => secrecyOf(key) !== 'no')
}
