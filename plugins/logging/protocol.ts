// What the proxy's thread and the writer's thread say to each other. Types and numbers alone: both sides import it.

/** Values of one batch, column by column within a line, line by line. */
export interface Batch {
  readonly lines: number
  /** Every text of every line, one behind the other: one string is copied between threads far faster than many. */
  readonly text: string
  /** Characters of each text; ABSENT where there is no value. */
  readonly lengths: Uint16Array
  /** NaN where there is no value. */
  readonly numbers: Float64Array
}

export const ABSENT = 0xffff

/** Characters of a value that are kept: a client chooses path and user agent, and could fill the disk with them. */
export const MAX_VALUE = 2048

/** `stdout`, or the absolute path of a file. */
export type Destination = string

export type Request =
  | {
      readonly kind: 'open'
      readonly id: number
      readonly destination: Destination
      readonly format: 'json' | 'text'
      /** In the order of a line. */
      readonly columns: readonly Column[]
      /** One Int32: batches of this log that are dealt with, written or given up. */
      readonly settled: SharedArrayBuffer
    }
  | { readonly kind: 'batch'; readonly id: number; readonly batch: Batch }
  /** What can be written within `within` ms is; the rest is given up. */
  | { readonly kind: 'close'; readonly id: number; readonly within: number }

export interface Column {
  readonly name: string
  readonly type: 'text' | 'number'
}

/** What a new thread is given: one Int32 that it sets to 1 when it can take requests. */
export interface ThreadData {
  readonly ready: SharedArrayBuffer
}

export type Report =
  /** Lines wait until the destination can be written again. Once per outage. */
  | { readonly kind: 'trouble'; readonly id: number; readonly message: string }
  /** Everything that waited is written. */
  | { readonly kind: 'recovered'; readonly id: number }
  | { readonly kind: 'closed'; readonly id: number; readonly lost: number }

/** The flag of `ThreadData` again, for who does not wait for it blocking. */
export interface Ready {
  readonly kind: 'ready'
}
