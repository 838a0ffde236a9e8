type Namespace = Record<string, unknown>

/**
 * A module that Node imported, as transpiled code takes it: `__esModule` keeps `import x from` on its `default`
 * where transpiled code would otherwise take the whole namespace for it. Everything else is the module's own.
 */
export function ofNative(namespace: object): Namespace {
  return new Proxy(namespace, {
    get: (target, name) => (name === '__esModule' ? true : Reflect.get(target, name))
  }) as Namespace
}

/** What an import of an evaluated file gives. CommonJS that came from a compiler (`__esModule`) already has that shape. */
export function ofExports(exports: unknown): Namespace {
  if (typeof exports === 'object' && exports !== null && '__esModule' in exports) return exports as Namespace
  const named = typeof exports === 'object' || typeof exports === 'function' ? exports : undefined
  const namespace: Namespace = { ...named, default: exports }
  return Object.defineProperty(namespace, '__esModule', { value: true })
}
