import type { Plugin } from './hooks/plugin.js'

/**
 * What the program around the core hands in, since the core knows no plugin by name: the built-in plugins, loaded
 * when a configuration names them, and the modules that `import 'outrigger'` in a user's file means.
 */
export interface Host {
  readonly version: string
  readonly builtins: ReadonlyMap<string, () => Promise<Plugin>>
  /** Specifier to file, such as `outrigger` to this package's own entry. */
  readonly modules: Readonly<Record<string, URL>>
}
