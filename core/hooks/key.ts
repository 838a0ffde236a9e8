/** The name, and in TypeScript the type, of a value that plugins hand on to each other through the exchange. */
export interface Key<T> {
  readonly name: string
  /** Only for the type checker; never set. */
  readonly type?: T
}

const keys = new Map<string, Key<unknown>>()

/**
 * A key is its name: two plugins that call `key('identity')` mean the same value, with no import between them.
 *
 * @example
 * const identity = key<string>('identity')
 * exchange.set(identity, 'mobile')
 */
export function key<T>(name: string): Key<T> {
  let known = keys.get(name)
  if (known === undefined) keys.set(name, (known = Object.freeze({ name })))
  return known as Key<T>
}
