import type { ProxyError } from '../errors.js'
import type { Packed } from './buffers.js'
import { late } from './failures.js'
import { labelOf } from './protocol.js'
import type { Posting } from './threads.js'

/** Milliseconds for a thread to start and to load the author's file, which TypeScript makes slow; not part of a call's own time. */
export const LOAD_TIMEOUT = 10_000

/** What a binding calls. */
export interface Target {
  readonly url: URL
  readonly exportName: string
  readonly timeout: number
  readonly edition: number
  /** A path; undefined while there is no such file. */
  file: string | undefined
}

/** One call of it, from its acceptance until a thread is done with it. */
export interface Task {
  readonly target: Target
  readonly file: string
  readonly packed: Packed
  readonly resolve: (value: unknown) => void
  readonly reject: (reason: unknown) => void
  readonly unlisten: () => void
  /** Since when it has waited, and then since when a thread has had it; on the clock. */
  since: number
  deadline: number
  begun: boolean
  /** The caller has its answer. */
  settled: boolean
  id: number
  slot: number
  posting: Posting | undefined
}

export function tooLong({ target: { exportName, timeout }, file, begun }: Task): ProxyError {
  const label = labelOf({ exportName, file })
  return begun ? late(label, 'ran', timeout) : late(label, 'was loading', LOAD_TIMEOUT)
}
