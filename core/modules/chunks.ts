// Loads the bundle: the files that the build makes of this program and of most packages it uses. It is compiled by
// itself, as CommonJS, and it is what every entry in `dist` begins with.
import {
  closeSync,
  fstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readSync,
  renameSync,
  writeFileSync
} from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join, resolve } from 'node:path'
import { Script } from 'node:vm'

interface Chunk {
  exports: object
}

type Require = ((specifier: string) => unknown) & { resolve(specifier: string): string }
type Evaluate = (
  exports: object,
  require: Require,
  module: Chunk,
  filename: string,
  directory: string,
  importModule: (specifier: string) => Promise<unknown>
) => void

/** ms from the first chunk that was compiled until what V8 made of them is kept: by then the proxy has long been ready. */
const KEPT_AFTER = 2_000

/** Bytes: more than the largest chunk. */
const BUFFER = 512 * 1024

/**
 * The chunks of one bundle, each evaluated once. V8's code for them is kept in a folder inside of the bundle's, so that
 * the next start need not compile it: only who may change the bundle itself can write there. Where nobody can, or what
 * is there is of another Node, all works as if there were none.
 */
export class Chunks {
  readonly #folder: string
  readonly #cache: string
  readonly #kept: Set<string>
  readonly #require: Require
  /** For all that is read in one go: what each read would leave behind for the garbage collector comes to megabytes. */
  #buffer: Buffer | undefined
  readonly #loaded = new Map<string, Chunk>()
  /** Those whose code is not kept yet, or was refused. */
  readonly #compiled = new Map<string, Script>()

  /**
   * @param folder absolute
   * @param build tells this bundle from every other: V8 takes code for that of any text of the same length
   */
  constructor(folder: string, build: string) {
    this.#folder = folder
    this.#cache = join(folder, '.cache', `${build}-${process.version}-${process.arch}`)
    this.#kept = new Set(namesIn(this.#cache))
    this.#require = createRequire(join(folder, 'load.js')) as unknown as Require
  }

  /** @param name from the bundle's folder: `chunks/x.js` */
  load(name: string): object {
    return this.#load(join(this.#folder, name))
  }

  #load(file: string): object {
    const known = this.#loaded.get(file)
    if (known !== undefined) return known.exports
    const chunk: Chunk = { exports: {} }
    this.#loaded.set(file, chunk)
    try {
      const directory = dirname(file)
      const importModule = (specifier: string) => import(specifier)
      this.#compile(file)(chunk.exports, this.#requireIn(directory), chunk, file, directory, importModule)
    } catch (error) {
      this.#loaded.delete(file)
      throw error
    }
    return chunk.exports
  }

  #requireIn(directory: string): Require {
    const load = (specifier: string) =>
      specifier.startsWith('.') ? this.#load(resolve(directory, specifier)) : this.#require(specifier)
    return Object.assign(load, { resolve: this.#require.resolve })
  }

  #compile(file: string): Evaluate {
    const name = keyOf(file.slice(this.#folder.length))
    // A chunk is a function's text, and the build leaves nothing in it that is not ASCII.
    const script = new Script(this.#read(file).toString('latin1'), {
      filename: file,
      cachedData: this.#kept.has(name) ? this.#readKept(name) : undefined
    })
    if (script.cachedDataRejected !== false) this.#keepLater(name, script)
    return script.runInThisContext() as Evaluate
  }

  /** @returns its bytes, until the next is read */
  #read(file: string): Buffer {
    const descriptor = openSync(file, 'r')
    try {
      const { size } = fstatSync(descriptor)
      const buffer = this.#bufferOf(size)
      let length = 0
      for (let read = -1; read !== 0 && length < size; length += read)
        read = readSync(descriptor, buffer, length, size - length, null)
      return buffer.subarray(0, length)
    } finally {
      closeSync(descriptor)
    }
  }

  #bufferOf(size: number): Buffer {
    if (this.#buffer === undefined) {
      setTimeout(() => {
        this.#buffer = undefined
      }, KEPT_AFTER).unref()
    }
    if (this.#buffer === undefined || this.#buffer.length < size)
      this.#buffer = Buffer.allocUnsafeSlow(Math.max(size, BUFFER))
    return this.#buffer
  }

  #readKept(name: string): Buffer | undefined {
    try {
      return this.#read(join(this.#cache, name))
    } catch {
      return undefined
    }
  }

  #keepLater(name: string, script: Script): void {
    if (this.#compiled.size === 0) {
      // Requests may be under way: each chunk has a turn of its own.
      const keepNext = () => {
        if (this.#keepOne()) setImmediate(keepNext).unref()
      }
      setTimeout(keepNext, KEPT_AFTER).unref()
      // A command that ends sooner.
      process.once('exit', () => {
        while (this.#keepOne());
      })
    }
    this.#compiled.set(name, script)
  }

  /** What has run of it by now is compiled, and kept with the rest. @returns whether there may be more to keep */
  #keepOne(): boolean {
    const [next] = this.#compiled
    if (next === undefined) return false
    const [name, script] = next
    this.#compiled.delete(name)
    try {
      mkdirSync(this.#cache, { recursive: true })
      // Others may be reading, or doing the same.
      const temporary = join(this.#cache, `${name}.${process.pid}`)
      writeFileSync(temporary, script.createCachedData())
      renameSync(temporary, join(this.#cache, name))
      return true
    } catch {
      // A folder that is not to be written to, or a disk that is full.
      this.#compiled.clear()
      return false
    }
  }
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder)
  } catch {
    return []
  }
}

/** `/plugins/retry/index.js` to `plugins-retry-index`. */
function keyOf(path: string): string {
  return path.slice(1).replaceAll(/[/\\]/g, '-').replace(/\.js$/, '')
}
