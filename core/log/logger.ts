import { isatty } from 'node:tty'
import { pino, stdTimeFunctions } from 'pino'
import type { LogFields, Logger } from '../hooks/plugin.js'
import { redactFields, redactText } from './redact.js'
import { type LogDestination, standardError } from './stderr.js'
import { terminalLine } from './terminal-line.js'

export type LogLevel = 'debug' | 'info' | 'warn' | 'error' | 'silent'
type LineLevel = Exclude<LogLevel, 'silent'>

const RANK: Readonly<Record<LogLevel, number>> = { debug: 20, info: 30, warn: 40, error: 50, silent: 100 }

export interface LoggerOptions {
  /** Default `info`. */
  level?: LogLevel
  /** Gets whole lines, each with its line feed. Default: standard error, in the background. */
  destination?: LogDestination
  /** Default: `text` when standard error is a terminal and no destination is given, else `json`. */
  format?: 'json' | 'text'
  /** Stacks of errors at every level. Default: at level `debug` alone. */
  verbose?: boolean
}

/** The proxy's own log: one line per event, secrets hidden. Never throws; what it cannot write it drops. */
export interface ProxyLogger extends Logger {
  /** The same log with these fields in each line: `{ plugin: 'auth', route: 'orders' }`. A line cannot overwrite them. */
  child(bindings: LogFields): ProxyLogger
  /** Of this log and of every child. */
  level: LogLevel
}

/** @example createLogger({ level: config.log.level }).child({ plugin: 'auth' }).warn({ error }, 'key set not loaded') */
export function createLogger(options: LoggerOptions = {}): ProxyLogger {
  const asText =
    options.format === undefined ? options.destination === undefined && isatty(2) : options.format === 'text'
  const destination = options.destination ?? standardError()
  const colours = options.destination === undefined && (process.env.NO_COLOR ?? '') === ''
  const output = asText
    ? { write: (line: string) => destination.write(terminalLine(line, colours)) }
    : destination
  const lines = pino(
    {
      level: 'debug',
      base: null,
      timestamp: stdTimeFunctions.isoTime,
      formatters: { level: (level) => ({ level }) }
    },
    output
  )
  return new BoundLogger({ lines, level: options.level ?? 'info', verbose: options.verbose ?? false }, {})
}

interface Shared {
  readonly lines: Record<LineLevel, (fields: LogFields, message: string) => void>
  readonly verbose: boolean
  level: LogLevel
}

const OWN_FIELDS = ['level', 'time', 'msg']

class BoundLogger implements ProxyLogger {
  readonly #shared: Shared
  readonly #bindings: LogFields

  constructor(shared: Shared, bindings: LogFields) {
    this.#shared = shared
    this.#bindings = bindings
  }

  get level(): LogLevel {
    return this.#shared.level
  }

  set level(level: LogLevel) {
    this.#shared.level = level
  }

  child(bindings: LogFields): ProxyLogger {
    return new BoundLogger(this.#shared, { ...this.#bindings, ...redactFields(bindings, false) })
  }

  debug(first: LogFields | string, message?: string): void {
    this.#write('debug', first, message)
  }

  info(first: LogFields | string, message?: string): void {
    this.#write('info', first, message)
  }

  warn(first: LogFields | string, message?: string): void {
    this.#write('warn', first, message)
  }

  error(first: LogFields | string, message?: string): void {
    this.#write('error', first, message)
  }

  // A log call stands in catch blocks and on the path of requests: nothing it is given may make it throw.
  #write(level: LineLevel, first: LogFields | string, message: string | undefined): void {
    const shared = this.#shared
    if (RANK[level] < RANK[shared.level]) return
    try {
      const stacks = shared.verbose || shared.level === 'debug'
      const given = typeof first === 'object' && first !== null ? first : {}
      const fields = this.#named(redactFields(first instanceof Error ? { error: first } : given, stacks))
      const text = typeof first === 'object' ? (message ?? '') : first
      shared.lines[level](fields, redactText(String(text)))
    } catch {
      // A destination that throws.
    }
  }

  /** Names that the line itself or its origin has are moved aside: `level_`. */
  #named(fields: LogFields): LogFields {
    const line: LogFields = { ...this.#bindings }
    for (const [name, value] of Object.entries(fields)) {
      line[name in this.#bindings || OWN_FIELDS.includes(name) ? `${name}_` : name] = value
    }
    return line
  }
}
