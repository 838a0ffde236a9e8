/**
 * Values cross copies of this package: a user's file may have resolved its own. They are told by a registered
 * symbol and never by `instanceof`.
 */
const symbols = {
  plugin: Symbol.for('outrigger.plugin'),
  reply: Symbol.for('outrigger.reply'),
  retry: Symbol.for('outrigger.retry'),
  hedge: Symbol.for('outrigger.hedge'),
  error: Symbol.for('outrigger.error')
} as const

type Brand = keyof typeof symbols

/** Marks a class, so that all its instances are known. */
export function brand(constructor: { prototype: object }, as: Brand): void {
  Object.defineProperty(constructor.prototype, symbols[as], { value: true })
}

/** Marks one object. */
export function brandObject<T extends object>(object: T, as: Brand): T {
  return Object.defineProperty(object, symbols[as], { value: true })
}

export function hasBrand(value: unknown, as: Brand): boolean {
  return typeof value === 'object' && value !== null && symbols[as] in value
}
