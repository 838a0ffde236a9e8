import { readFile, stat } from 'node:fs/promises'
import { dirname, extname, resolve } from 'node:path'
import type { Pace } from '../hooks/pace.js'
import { isPlugin } from '../hooks/plugin.js'
import { ModuleError, oneLine, showFile } from '../modules/failure.js'
import type { ModuleLoader } from '../modules/load.js'
import { isPlain, ObjectDocument, type SourceDocument } from './document.js'
import { FileText } from './file-text.js'
import { ConfigError, type Problem } from './problem.js'
import { quote } from './quote.js'
import { readYaml } from './yaml.js'

const TEXT = new Set(['.yaml', '.yml', '.json'])
const MODULES = new Set(['.ts', '.mts', '.js', '.mjs'])

/** MiB. Ten thousand routes are a tenth of it; the limit is for what is no configuration. */
const MAX_SIZE = 64
/** Bytes that are decoded in one go. */
const SLICE = 1024 ** 2

export interface Source {
  readonly document: SourceDocument
  /** Found while reading; more can be found in the document. */
  readonly problems: readonly Problem[]
  /** Absolute. */
  readonly file: string | undefined
  readonly directory: string
}

/**
 * Reads a configuration from a file, a module or an object.
 *
 * @throws ConfigError when there is nothing to look at any further
 */
export async function readSource(
  source: string | object,
  loader: ModuleLoader,
  pace: Pace,
  directory = process.cwd()
): Promise<Source> {
  if (source instanceof FileText) return readDocument(source, pace)
  if (typeof source === 'object') {
    if (!isPlain(source)) throw notAnObject(undefined, source)
    return {
      document: new ObjectDocument(source),
      problems: [],
      file: undefined,
      directory: resolve(directory)
    }
  }
  const file = resolve(source)
  if (isModule(source)) {
    await assertReadable(source, file)
    return { file, directory: dirname(file), ...(await readModule(source, file, loader)) }
  }
  return readDocument(await readFileText(source, pace), pace)
}

/**
 * What a file holds now; undefined of a module, whose text alone is not what it comes to.
 *
 * @throws ConfigError when it is no configuration's file, or cannot be read
 */
export async function readOnce(name: string, pace: Pace): Promise<FileText | undefined> {
  return isModule(name) ? undefined : readFileText(name, pace)
}

/** By its name. @throws ConfigError when it is neither that nor text */
function isModule(name: string): boolean {
  const extension = extname(name).toLowerCase()
  if (MODULES.has(extension)) return true
  if (TEXT.has(extension)) return false
  const known = [...TEXT, ...MODULES].join(', ')
  throw failed(name, `a configuration is one of ${known}, told by the file's name`)
}

async function readFileText(name: string, pace: Pace): Promise<FileText> {
  const file = resolve(name)
  await assertReadable(name, file)
  return new FileText(name, await readText(name, file, pace))
}

async function readDocument({ file: name, text }: FileText, pace: Pace): Promise<Source> {
  const file = resolve(name)
  const { document, problems } = await readYaml(text, name, pace)
  if (document === undefined) throw new ConfigError(problems)
  if (document.written === null || document.written === undefined) {
    throw new ConfigError([
      ...problems,
      { at: name, path: '', message: 'the file is empty: it needs "listeners" and "routes"' }
    ])
  }
  return { file, directory: dirname(file), document, problems }
}

async function assertReadable(name: string, file: string): Promise<void> {
  try {
    const found = await stat(file)
    if (found.isDirectory()) throw failed(name, 'is a folder: name the file in it')
    if (found.size > MAX_SIZE * 1024 ** 2)
      throw failed(
        name,
        `is larger than a configuration may be, ${found.size} bytes: at most ${MAX_SIZE} MiB`
      )
  } catch (error) {
    if (error instanceof ConfigError) throw error
    throw unreadable(name, file, error)
  }
}

async function readText(name: string, file: string, pace: Pace): Promise<string> {
  let bytes: Buffer
  try {
    bytes = await readFile(file)
  } catch (error) {
    throw unreadable(name, file, error)
  }
  const decoder = new TextDecoder('utf-8', { fatal: true })
  try {
    let text = ''
    for (let start = 0; start < bytes.length; start += SLICE) {
      text += decoder.decode(bytes.subarray(start, start + SLICE), { stream: true })
      if (pace.due) await pace.turn()
    }
    return text + decoder.decode()
  } catch {
    throw failed(name, 'is not UTF-8 text')
  }
}

async function readModule(
  name: string,
  file: string,
  loader: ModuleLoader
): Promise<{ document: SourceDocument; problems: [] }> {
  let value: unknown
  try {
    value = (await loader.import(file, { fresh: true })).default
  } catch (error) {
    if (!(error instanceof ModuleError)) throw failed(name, oneLine(error))
    const place = error.line === undefined ? '' : `:${error.line}`
    const isSame = showFile(error.file) === showFile(file)
    throw failed(`${isSame ? name : showFile(error.file)}${place}`, error.what)
  }
  if (isPlugin(value)) throw failed(name, `is a plugin, ${quote(value.name)}, and no configuration`)
  if (!isPlain(value)) throw notAnObject(name, value)
  return { document: new ObjectDocument(value, name), problems: [] }
}

function unreadable(name: string, file: string, error: unknown): ConfigError {
  const code = (error as NodeJS.ErrnoException).code
  if (code === 'ENOENT' || code === 'ENOTDIR') {
    return failed(name, `no such file: there is no ${file}. Name the configuration, or go to its folder`)
  }
  if (code === 'EACCES') return failed(name, `may not be read by this user: check the permissions of ${file}`)
  return failed(name, `cannot be read: ${oneLine(error)}`)
}

function notAnObject(name: string | undefined, value: unknown): ConfigError {
  const hint = name === undefined ? '' : ': expected "export default defineConfig({ ... })"'
  return failed(name, `the configuration is ${quote(value)}, and no object${hint}`)
}

function failed(at: string | undefined, message: string): ConfigError {
  return new ConfigError([{ at, path: '', message }])
}
