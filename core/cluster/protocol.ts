import { ConfigError, type Problem } from '../config/problem.js'
import type { Config } from '../config/types.js'
import { type PluginView, type RouteView, type ServiceView, StartError } from '../server/types.js'

/** What a primary asks of a process. Each is answered once, with what stands beside it. */
export interface Answers {
  /** Binds the listeners. */
  start: Facts
  /** Of the text beside it, or of what the file comes to now where that is a module. */
  reload: Facts
  /** Back to the configuration before the last `reload`. */
  restore: Facts
  /** That configuration is not asked for any more. */
  settle: null
  /** Answered when all is drained; the process ends then. */
  drain: null
  /** The same at once. */
  close: null
  /** In parts, each `Reading[]`. */
  metrics: null
  inFlight: number
  services: ServiceView[]
  routes: RouteView[]
  plugins: PluginView[]
}

export type Ask = keyof Answers

/** What a primary knows of the configuration that a process runs. */
export interface Facts {
  readonly config: unknown
  readonly watched: readonly string[]
  readonly addresses: readonly (readonly [name: string, address: string])[]
  readonly admin: Config['admin']
  readonly processes: number
  /** ms */
  readonly drainTimeout: number
  readonly level: Config['log']['level']
}

/** What the primary counts and its processes do not tell: a reload of all of them is one. */
export const RELOADS = 'outrigger_config_reloads_total'
export const RELOAD_FAILURES = 'outrigger_config_reload_failures_total'

/** The number of what a process says unasked: that it is built, or why it is not. */
export const FIRST = 0
/** The number of its first word, by which it says that it listens, and of the answer to that. */
export const LISTENING = -1

export interface Question {
  readonly outrigger: number
  readonly ask: Ask
  readonly text?: string | undefined
}

/** What a process hears first: what its configuration is, where the file is one of text. */
export interface Beginning {
  readonly outrigger: typeof LISTENING
  readonly text: string | undefined
}

/** A part of an answer, the answer, or why there is none. */
export interface Answer {
  readonly outrigger: number
  readonly part?: unknown
  readonly value?: unknown
  readonly error?: PlainError
}

export interface PlainError {
  readonly kind: 'config' | 'start' | 'other'
  readonly message: string
  readonly problems?: readonly Problem[]
  readonly stack?: string | undefined
}

/** Both ends are sent other things too, such as by plugins. */
export function isOurs(message: unknown): message is Question | Answer | Beginning {
  return typeof (message as { outrigger?: unknown } | null)?.outrigger === 'number'
}

export function plainError(error: unknown): PlainError {
  const message = error instanceof Error ? error.message : String(error)
  if (error instanceof ConfigError) return { kind: 'config', message, problems: error.problems }
  const stack = error instanceof Error ? error.stack : undefined
  return { kind: error instanceof StartError ? 'start' : 'other', message, stack }
}

/** As it was thrown in the other process, its stack too. */
export function errorOf({ kind, message, problems, stack }: PlainError): Error {
  if (kind === 'config') return new ConfigError(problems ?? [])
  const error = kind === 'start' ? new StartError(message) : new Error(message)
  if (stack !== undefined) error.stack = stack
  return error
}
