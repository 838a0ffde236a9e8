import { existsSync, readFileSync, realpathSync } from 'node:fs'
import { createRequire, isBuiltin } from 'node:module'
import { extname, join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import type { Jiti } from 'jiti'
import { evaluate, ParseError } from './compile.js'
import { lineNaming, ModuleError, oneLine, placeOf } from './failure.js'
import { formatOf, packageRoot, readManifest } from './format.js'
import { closure, dependents, LoadedFile } from './graph.js'
import { ofExports, ofNative } from './interop.js'

type Namespace = Record<string, unknown>
type CreateJiti = typeof import('jiti').createJiti

/**
 * Imports a user's modules, TypeScript and JavaScript alike, on every supported Node. `import ... from 'outrigger'` in
 * them is the running proxy's own copy.
 *
 * jiti resolves and transpiles; the graph of files is kept here. Left to jiti, a `.mjs` file or an ES module of a
 * package is handed to Node's own import, which finds another copy of `outrigger` or none, and which can neither read
 * a changed file anew nor forget an old one. Files of the user's own and of packages that build on `outrigger` are
 * evaluated here; every other package is Node's.
 *
 * Nothing is global: a loader that is dropped takes all it has loaded with it. One may be made in each worker thread.
 */
export class ModuleLoader {
  readonly #modules: Readonly<Record<string, URL>>
  readonly #files = new Map<string, LoadedFile>()
  readonly #namespaces = new Map<string, Promise<Namespace>>()
  /** The settled of `#namespaces`, for CommonJS, which cannot wait. */
  readonly #settled = new Map<string, Namespace>()
  /** Whether the files of an installed package are evaluated here, by its folder. */
  readonly #packages = new Map<string, boolean>()
  #createJiti: CreateJiti | undefined

  /** @param modules specifier to the file it means, such as `outrigger` to this package's entry */
  constructor(modules: Readonly<Record<string, URL>>) {
    this.#modules = modules
  }

  /**
   * @param file absolute
   * @param options `fresh`: it and what it imports are read anew where they have changed since. A file that has not,
   *   and imports nothing that has, is the same module as before.
   * @throws ModuleError with a message of one line, `FILE:LINE: what`
   */
  async import(file: string, options: { fresh?: boolean } = {}): Promise<Namespace> {
    let path: string
    try {
      path = realpathSync(file)
    } catch (cause) {
      throw new ModuleError(file, undefined, 'no such file', cause)
    }
    const root = packageRoot(path)
    if (root !== undefined) this.#packages.set(root, true)
    if (options.fresh === true) this.#forgetChanged(path)
    return ofExports((await this.#load(path)).module.exports)
  }

  /**
   * The file that `specifier` means in a module of `directory`; undefined when there is none.
   *
   * @param directory absolute
   */
  async resolve(specifier: string, directory: string): Promise<string | undefined> {
    await this.#loadJiti()
    return resolveWith(this.#jiti(join(directory, '_.ts')), specifier)
  }

  /** `file`, and every file of the user's own that it led to when it was imported. Real paths; empty before. */
  files(file: string): string[] {
    let loaded: LoadedFile | undefined
    try {
      loaded = this.#files.get(realpathSync(file))
    } catch {
      return []
    }
    return loaded === undefined ? [] : [...closure(loaded)].map((each) => each.file)
  }

  /** Only when a user's module is there: most configurations name built-in plugins alone, and start sooner without. */
  async #loadJiti(): Promise<void> {
    this.#createJiti ??= (await import('jiti')).createJiti
  }

  #jiti(file: string): Jiti {
    const create = this.#createJiti as CreateJiti
    // A cache on disk would be a folder in which others could leave code for us to run.
    return create(file, { fsCache: false, moduleCache: false, interopDefault: true })
  }

  async #load(file: string, importer?: { file: LoadedFile; specifier: string }): Promise<LoadedFile> {
    await this.#loadJiti()
    const loaded = this.#files.get(file) ?? this.#begin(file)
    importer?.file.imports.set(importer.specifier, loaded)
    // In a cycle, as in CommonJS, who comes second sees what is there so far.
    if (loaded.ready || (importer !== undefined && loaded.waitsFor(importer.file))) return loaded
    importer?.file.waitingFor.add(loaded)
    try {
      await loaded.done
    } finally {
      importer?.file.waitingFor.delete(loaded)
    }
    return loaded
  }

  #begin(file: string): LoadedFile {
    const loaded = this.#add(file)
    loaded.done = this.#evaluate(loaded)
    // Whoever imports it hears of it; nobody else may be there to.
    loaded.done.catch(() => {})
    return loaded
  }

  #add(file: string): LoadedFile {
    const loaded = new LoadedFile(file, readFileSync(file, 'utf8'), this.#jiti(file))
    this.#files.set(file, loaded)
    return loaded
  }

  async #evaluate(loaded: LoadedFile): Promise<void> {
    try {
      const format = formatOf(loaded.file, () => loaded.source)
      // `require` cannot wait for our own modules, so they are there before it can ask.
      if (format === 'commonjs' || /\brequire\s*\(/.test(loaded.source))
        await Promise.all(Object.keys(this.#modules).map((name) => this.#own(name)))
      await this.#run(loaded, format)
      loaded.ready = true
    } catch (error) {
      this.#forget([loaded])
      throw this.#explain(error, loaded)
    }
  }

  #run(loaded: LoadedFile, format: ReturnType<typeof formatOf>): unknown {
    if (format === 'json') {
      loaded.module.exports = JSON.parse(loaded.source)
      return
    }
    return evaluate(loaded, format !== 'commonjs', {
      require: (specifier) => this.#require(loaded, String(specifier)),
      import: (specifier) => this.#import(loaded, String(specifier)),
      resolve: (specifier) => {
        const own = this.#modules[specifier]
        if (own !== undefined) return own.href
        return isBuiltin(specifier) ? specifier : pathToFileURL(this.#find(loaded, specifier)).href
      }
    })
  }

  async #import(importer: LoadedFile, specifier: string): Promise<Namespace> {
    if (Object.hasOwn(this.#modules, specifier)) return this.#own(specifier)
    if (isBuiltin(specifier) || specifier.startsWith('data:')) return ofNative(await import(specifier))
    const file = this.#find(importer, specifier)
    if (this.#isOwn(file))
      return ofExports((await this.#load(file, { file: importer, specifier })).module.exports)
    try {
      return ofNative(await import(pathToFileURL(file).href))
    } catch (cause) {
      throw this.#importFailure(importer, specifier, cause)
    }
  }

  #require(importer: LoadedFile, specifier: string): unknown {
    const own = this.#settled.get(specifier)
    if (own !== undefined) return own
    const native = createRequire(importer.file)
    if (isBuiltin(specifier)) return native(specifier)
    let file: string
    try {
      file = realpathSync(native.resolve(specifier))
    } catch (cause) {
      throw this.#importFailure(importer, specifier, cause)
    }
    if (!this.#isOwn(file)) return native(file)
    let loaded = this.#files.get(file)
    if (loaded === undefined) {
      const format = formatOf(file, () => readFileSync(file, 'utf8'))
      if (format === 'module')
        throw new Error(`${specifier} is an ES module: use import() in place of require()`)
      loaded = this.#add(file)
      try {
        this.#run(loaded, format)
        loaded.ready = true
      } catch (error) {
        this.#forget([loaded])
        throw this.#explain(error, loaded)
      }
    }
    importer.imports.set(specifier, loaded)
    return loaded.module.exports
  }

  #own(name: string): Promise<Namespace> {
    let namespace = this.#namespaces.get(name)
    if (namespace === undefined) {
      namespace = import((this.#modules[name] as URL).href).then((module: object) => {
        const taken = ofNative(module)
        this.#settled.set(name, taken)
        return taken
      })
      this.#namespaces.set(name, namespace)
    }
    return namespace
  }

  #find(importer: LoadedFile, specifier: string): string {
    const file = resolveWith(importer.jiti, specifier)
    if (file === undefined) throw this.#importFailure(importer, specifier)
    return file
  }

  /** Whether a file is evaluated here: the user's own, or of a package that builds on one of our modules. */
  #isOwn(file: string): boolean {
    if (extname(file) !== '' && formatOf(file, () => '') === undefined) return false
    const root = packageRoot(file)
    if (root === undefined) return true
    let own = this.#packages.get(root)
    if (own === undefined) {
      const manifest = readManifest(join(root, 'package.json'))
      const needed = {
        ...manifest?.dependencies,
        ...manifest?.peerDependencies,
        ...manifest?.optionalDependencies
      }
      own = Object.keys(this.#modules).some((name) => Object.hasOwn(needed, name))
      this.#packages.set(root, own)
    }
    return own
  }

  #forgetChanged(file: string): void {
    const root = this.#files.get(file)
    if (root?.ready !== true) return
    this.#forget([...closure(root)].filter((each) => each.ready && hasChanged(each)))
  }

  #forget(files: readonly LoadedFile[]): void {
    if (files.length === 0) return
    for (const each of dependents(files, this.#files.values())) {
      if (this.#files.get(each.file) === each) this.#files.delete(each.file)
    }
  }

  #importFailure(importer: LoadedFile, specifier: string, cause?: unknown): ModuleError {
    const code = (cause as { code?: unknown } | undefined)?.code
    const missing = cause === undefined || code === 'MODULE_NOT_FOUND' || code === 'ERR_MODULE_NOT_FOUND'
    const what = missing ? `cannot find ${specifier}` : `cannot import ${specifier}: ${oneLine(cause)}`
    return new ModuleError(importer.file, lineNaming(importer.source, specifier), what, cause)
  }

  #explain(error: unknown, loaded: LoadedFile): ModuleError {
    if (error instanceof ModuleError) return error
    if (error instanceof ParseError) return new ModuleError(loaded.file, error.line, error.message, error)
    if (extname(loaded.file) === '.json')
      return new ModuleError(loaded.file, undefined, oneLine(error), error)
    const place = placeOf(error, (file) => file === loaded.file || this.#files.has(file))
    return new ModuleError(place?.file ?? loaded.file, place?.line, oneLine(error), error)
  }
}

function resolveWith(jiti: Jiti, specifier: string): string | undefined {
  const found = jiti.esmResolve(specifier, { try: true })
  if (found === undefined) return undefined
  const file = String(found).startsWith('file:') ? fileURLToPath(String(found)) : String(found)
  // Node's resolver remembers a file that has gone since.
  return existsSync(file) ? file : undefined
}

function hasChanged(loaded: LoadedFile): boolean {
  try {
    if (readFileSync(loaded.file, 'utf8') !== loaded.source) return true
    for (const [specifier, imported] of loaded.imports) {
      if (resolveWith(loaded.jiti, specifier) !== imported.file) return true
    }
    return false
  } catch {
    return true
  }
}
