import { availableParallelism } from 'node:os'
import type { Config } from '../config/types.js'

/** Which of how many processes one is. */
export interface Seat {
  /** From 1. */
  readonly number: number
  readonly of: number
}

/**
 * What one of several processes makes of a configuration. The admin is the primary's. A listener's connections are
 * shared out, rounded up, and so are the threads that a configuration leaves to the machine; all else is each process's
 * own, and so as many times as there are processes.
 */
export function shareOf(config: Config, { of }: Seat): Config {
  return {
    ...config,
    processes: 1,
    admin: undefined,
    listeners: new Map(
      [...config.listeners].map(([name, listener]) => [
        name,
        { ...listener, maxConnections: Math.ceil(listener.maxConnections / of) }
      ])
    ),
    workers: workersOf(config, of)
  }
}

function workersOf({ workers, masked }: Config, of: number): Config['workers'] {
  const written = (masked as { workers?: { threads?: unknown; maxQueue?: unknown } } | undefined)?.workers
  if (written?.threads !== undefined) return workers
  const threads = Math.max(1, Math.floor((availableParallelism() - 1) / of))
  return {
    ...workers,
    threads,
    maxQueue:
      written?.maxQueue === undefined ? (workers.maxQueue / workers.threads) * threads : workers.maxQueue
  }
}
