// What the proxy's thread and the writer's thread say to each other. Types and numbers alone: both sides import it.

/** Whole lines, as they are written. */
export interface Batch {
  readonly lines: number
  /** In memory that both threads see: the writer only reads it, and the proxy does not touch it until the batch is settled. */
  readonly bytes: Uint8Array
}

/** `stdout`, or the absolute path of a file. */
export type Destination = string

export type Request =
  | {
      readonly kind: 'open'
      readonly id: number
      readonly destination: Destination
      /** One Int32: batches of this log that are dealt with, written or given up. */
      readonly settled: SharedArrayBuffer
    }
  | { readonly kind: 'batch'; readonly id: number; readonly batch: Batch }
  /** What can be written within `within` ms is; the rest is given up. */
  | { readonly kind: 'close'; readonly id: number; readonly within: number }

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
