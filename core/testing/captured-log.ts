import type { LogFields, Logger } from '../hooks/plugin.js'

export interface LogLine {
  level: 'debug' | 'info' | 'warn' | 'error'
  message: string
  fields: LogFields
}

/** A log that is kept instead of written. */
export class CapturedLog implements Logger {
  readonly lines: LogLine[]
  readonly #bindings: LogFields

  constructor(lines: LogLine[] = [], bindings: LogFields = {}) {
    this.lines = lines
    this.#bindings = bindings
  }

  child(bindings: LogFields): CapturedLog {
    return new CapturedLog(this.lines, { ...this.#bindings, ...bindings })
  }

  debug(first: LogFields | string, message?: string): void {
    this.#keep('debug', first, message)
  }

  info(first: LogFields | string, message?: string): void {
    this.#keep('info', first, message)
  }

  warn(first: LogFields | string, message?: string): void {
    this.#keep('warn', first, message)
  }

  error(first: LogFields | string, message?: string): void {
    this.#keep('error', first, message)
  }

  #keep(level: LogLine['level'], first: LogFields | string, message?: string): void {
    const fields = typeof first === 'string' ? {} : first
    this.lines.push({
      level,
      message: typeof first === 'string' ? first : (message ?? ''),
      fields: { ...this.#bindings, ...fields }
    })
  }
}
