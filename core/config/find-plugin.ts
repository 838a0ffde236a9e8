import { existsSync } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { basename, dirname, isAbsolute, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { isPlugin, type Plugin } from '../hooks/plugin.js'
import type { Host } from '../host.js'
import { ModuleError, oneLine, showFile } from '../modules/failure.js'
import type { ModuleLoader } from '../modules/load.js'
import { quote } from './quote.js'
import { didYouMean, nearest } from './suggest.js'

const PREFIX = 'outrigger-plugin-'
const MODULE_FILE = /\.[cm]?[jt]s$/

export type Found = { readonly plugin: Plugin } | { readonly problem: string }

/** Finds the plugins that one configuration names, each once. */
export class PluginFinder {
  readonly #host: Host
  readonly #loader: ModuleLoader
  readonly #directory: string
  readonly #found = new Map<string, Promise<Found>>()
  /** The files that plugins were loaded from, less built-in ones. */
  readonly files = new Set<string>()

  /** @param directory the configuration's, absolute: where files and packages are looked for from */
  constructor(host: Host, loader: ModuleLoader, directory: string) {
    this.#host = host
    this.#loader = loader
    this.#directory = directory
  }

  /** Built in (`retry`), a file (`./plugins/mine.ts`) or a package (`mine` for `outrigger-plugin-mine`). */
  find(name: string): Promise<Found> {
    let found = this.#found.get(name)
    if (found === undefined) this.#found.set(name, (found = this.#find(name)))
    return found
  }

  async #find(name: string): Promise<Found> {
    if (name === '') return { problem: 'expected the name of a plugin, not ""' }
    if (isPath(name)) return this.#load(this.#path(name), name)
    const builtin = this.#host.builtins.get(name)
    if (builtin !== undefined) return { plugin: await builtin() }
    const packages = packageNames(name)
    for (const each of packages) {
      const file = await this.#loader.resolve(each, this.#directory)
      if (file !== undefined && isAbsolute(file)) return this.#load(file, name)
    }
    return { problem: this.#unknown(name, packages) }
  }

  #path(name: string): string {
    return name.startsWith('file:') ? fileURLToPath(name) : resolve(this.#directory, name)
  }

  async #load(file: string, name: string): Promise<Found> {
    this.files.add(file)
    if (!existsSync(file)) return { problem: await missingFile(file) }
    try {
      const { default: plugin } = await this.#loader.import(file, { fresh: true })
      if (isPlugin(plugin)) return { plugin }
      const what =
        plugin === undefined ? 'it has no default export' : `its default export is ${quote(plugin)}`
      return {
        problem: `${quote(name)} is no plugin: ${what}; expected "export default definePlugin({ ... })"`
      }
    } catch (error) {
      const message = error instanceof ModuleError ? error.message : oneLine(error)
      return { problem: `${quote(name)} cannot be loaded: ${message}` }
    }
  }

  #unknown(name: string, packages: readonly string[]): string {
    const problem = `unknown plugin ${quote(name)}`
    const suggestion = didYouMean(name, this.#host.builtins.keys())
    if (suggestion !== '') return problem + suggestion
    if (MODULE_FILE.test(name)) return `${problem}: did you mean the file "./${name}"?`
    const known = [...this.#host.builtins.keys()].sort().join(', ')
    const tried = packages.map((each) => `"${each}"`).join(' or ')
    return `${problem}: it is not built in (${known}), and no package ${tried} is installed for ${showFile(this.#directory)}`
  }
}

function isPath(name: string): boolean {
  return /^\.{1,2}\//.test(name) || isAbsolute(name) || name.startsWith('file:')
}

/** What a package that is meant by `name` may be called, likeliest first. */
function packageNames(name: string): string[] {
  const [, scope, rest] = /^(@[^/]+)\/(.+)$/.exec(name) ?? []
  if (scope !== undefined && rest !== undefined) {
    return rest.startsWith(PREFIX) ? [name] : [`${scope}/${PREFIX}${rest}`, name]
  }
  return name.startsWith(PREFIX) ? [name] : [PREFIX + name, name]
}

async function missingFile(file: string): Promise<string> {
  const directory = dirname(file)
  const siblings = await readdir(directory).catch(() => undefined)
  if (siblings === undefined)
    return `no plugin file ${showFile(file)}: there is no folder ${showFile(directory)}`
  const modules = siblings.filter((name) => MODULE_FILE.test(name))
  const wanted = basename(file)
  const near = modules.find((name) => name.replace(MODULE_FILE, '') === wanted) ?? nearest(wanted, modules)
  const suggestion = near === undefined ? '' : `: did you mean "${showFile(join(directory, near))}"?`
  return `no plugin file ${showFile(file)}${suggestion}`
}
