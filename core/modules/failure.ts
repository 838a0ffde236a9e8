import { isAbsolute, relative } from 'node:path'
import { fileURLToPath } from 'node:url'

/** A user's module that cannot be loaded. `message` is one line: `FILE:LINE: what is wrong`. */
export class ModuleError extends Error {
  /** Absolute. */
  readonly file: string
  /** From 1; undefined when it is not known. */
  readonly line: number | undefined
  /** The message without its place. */
  readonly what: string

  constructor(file: string, line: number | undefined, what: string, cause?: unknown) {
    super(
      `${showFile(file)}${line === undefined ? '' : `:${line}`}: ${what}`,
      cause === undefined ? undefined : { cause }
    )
    this.name = 'ModuleError'
    this.file = file
    this.line = line
    this.what = what
  }
}

/** As a user would type it: relative to the working directory where it is inside of it. */
export function showFile(file: string): string {
  const shown = relative(process.cwd(), file)
  return shown === '' || shown.startsWith('..') || isAbsolute(shown) ? file : shown
}

/** The message's first line, with the error's name where it says more than `Error`. */
export function oneLine(error: unknown): string {
  if (!(error instanceof Error) && !(typeof error === 'object' && error !== null && 'message' in error)) {
    return `threw ${typeof error === 'string' ? JSON.stringify(error) : String(error)}`
  }
  const { name, message } = error as Error
  const text = String(message).split('\n', 1)[0]?.trim() || 'an error without a message'
  return name === undefined || name === 'Error' || name === '' ? text : `${name}: ${text}`
}

// V8 prints `at name (/path:3:9)`, `at /path:3:9`, and for a file that does not parse `/path:3` alone.
const FRAME = /(?:^|\(|\s)((?:file:\/\/)?\/[^():]+|[A-Za-z]:[^():]+):(\d+)(?::\d+)?\)?$/

/** The innermost place in `error`'s stack that is in one of the user's own files. */
export function placeOf(
  error: unknown,
  isOwn: (file: string) => boolean
): { file: string; line: number } | undefined {
  const stack = (error as { stack?: unknown } | undefined)?.stack
  if (typeof stack !== 'string') return undefined
  for (const text of stack.split('\n')) {
    const [, path, line] = FRAME.exec(text.trimEnd()) ?? []
    if (path === undefined) continue
    const file = path.startsWith('file://') ? fileURLToPath(path) : path
    if (isOwn(file)) return { file, line: Number(line) }
  }
  return undefined
}

/** The line on which a module's text names a specifier. */
export function lineNaming(source: string, specifier: string): number | undefined {
  for (const quote of [`'${specifier}'`, `"${specifier}"`, `\`${specifier}\``]) {
    const index = source.indexOf(quote)
    if (index >= 0) return source.slice(0, index).split('\n').length
  }
  return undefined
}
