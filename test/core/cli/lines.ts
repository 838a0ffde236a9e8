import type { LogFields, Logger } from '../../../core/hooks/plugin.js'

export interface Lines extends Logger {
  readonly lines: string[]
  /** Resolves with the first line that holds `part`, the ones already there included. */
  until(part: string): Promise<string>
}

/** A log whose lines a test can read, and wait for. */
export function keptLines(): Lines {
  const lines: string[] = []
  const waiting = new Set<() => void>()
  const write = (first: LogFields | string, message?: string) => {
    lines.push(typeof first === 'string' ? first : (message ?? ''))
    for (const look of waiting) look()
  }
  return {
    lines,
    debug: write,
    info: write,
    warn: write,
    error: write,
    until: (part) =>
      new Promise((resolve) => {
        const look = () => {
          const found = lines.find((line) => line.includes(part))
          if (found === undefined) return
          waiting.delete(look)
          resolve(found)
        }
        waiting.add(look)
        look()
      })
  }
}
