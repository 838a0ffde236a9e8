import { fileURLToPath } from 'node:url'
import type { Logger } from '../hooks/plugin.js'
import { StartError } from '../server/types.js'

/** Where this package's own plugins lie, whether it runs from its sources or as it was built. */
const BUILTINS = fileURLToPath(new URL('../../plugins/', import.meta.url))

export interface StrayOptions {
  /** Files that may hold plugins: those a configuration names. */
  files(): readonly string[]
  log: Logger
}

/**
 * Errors that nobody caught: thrown in a plugin's timer or event listener, or a promise it let go of. No exchange
 * waits on them, and all others are to go on, so they are told and the process lives.
 *
 * @returns a function that stops listening
 */
export function surviveStrayErrors(options: StrayOptions): () => void {
  const onThrow = (error: unknown) => tell('threw outside of any hook', error)
  const onRejection = (error: unknown) => tell('left a promise rejected', error)
  const tell = (what: string, error: unknown) => {
    const stack = error instanceof Error ? error.stack : undefined
    const who = stack === undefined ? undefined : blame(stack, options.files())
    const message = error instanceof Error ? `${error.name}: ${error.message}` : String(error)
    // Whose it is stands in the stack alone when the place is none of a plugin's.
    const fields = who === undefined ? { error, stack } : { error }
    options.log.error(fields, `${who ?? 'something'} ${what}, and the proxy goes on: ${message}`)
  }
  process.on('uncaughtException', onThrow)
  process.on('unhandledRejection', onRejection)
  return () => {
    process.off('uncaughtException', onThrow)
    process.off('unhandledRejection', onRejection)
  }
}

/**
 * Until the proxy runs, such an error ends the start: nobody relies on it yet, and what threw may be a part that is
 * then missing.
 *
 * @returns `failure`, which rejects with a StartError or never settles
 */
export function failOnStrayErrors(): { failure: Promise<never>; ignore(): void } {
  let fail: (error: unknown) => void = () => {}
  const failure = new Promise<never>((_resolve, reject) => {
    fail = (error) => {
      const who = error instanceof Error && error.stack !== undefined ? blame(error.stack, []) : undefined
      const message = error instanceof Error ? error.message : String(error)
      reject(new StartError(`${who ?? 'something'} failed while starting: ${message}`, error))
    }
  })
  failure.catch(() => {})
  process.on('uncaughtException', fail)
  process.on('unhandledRejection', fail)
  const ignore = () => {
    process.off('uncaughtException', fail)
    process.off('unhandledRejection', fail)
  }
  return { failure, ignore }
}

/**
 * Whose code a stack goes through: the first of these files, or else a built-in plugin's folder or a package.
 *
 * @returns such as `plugin file /etc/outrigger/mine.ts:3:9`; undefined when it goes through none of them
 */
export function blame(stack: string, files: readonly string[]): string | undefined {
  for (const line of stack.split('\n').slice(1)) {
    const found = /\(?((?:file:\/\/|\/)[^()]*?)(?:\?[^:()]*)?:(\d+):(\d+)\)?$/.exec(line.trim())
    if (found === null) continue
    const [, place = '', row, column] = found
    const file = place.startsWith('file://') ? fileURLToPath(place) : place
    if (files.includes(file)) return `plugin file ${file}:${row}:${column}`
    const packaged = /\/node_modules\/((?:@[^/]+\/)?outrigger-plugin-[^/]+)\//.exec(file)
    if (packaged !== null) return `plugin ${packaged[1]} (${file}:${row}:${column})`
    if (!file.startsWith(BUILTINS)) continue
    const [folder, within] = file.slice(BUILTINS.length).split('/')
    if (within !== undefined) return `plugin ${folder} (${file}:${row}:${column})`
  }
  return undefined
}
