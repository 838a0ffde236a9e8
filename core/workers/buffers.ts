import { types } from 'node:util'
import * as threads from 'node:worker_threads'

/** Below this many bytes, copying costs less than handing the memory over. */
const MOVED_FROM = 4096

/** Where a Buffer stood: the position in the list, and the key within the array or object there. */
export type BufferPlace = readonly [at: number, key?: string | number]

/** Values made ready to cross to another thread. */
export interface Packed {
  readonly values: unknown[]
  /** Memory that the sender loses when they are posted. */
  readonly transfer: ArrayBuffer[]
  /** A Buffer arrives as a bare Uint8Array; these are made Buffers again. */
  readonly buffers: readonly BufferPlace[]
}

// Node 20 has no such question, and copies what is marked; from 22 on, moving it throws.
const { isMarkedAsUntransferable } = threads as {
  isMarkedAsUntransferable?: (memory: ArrayBuffer) => boolean
}

const pinned = new WeakSet<ArrayBufferLike>()

/**
 * Keeps memory in this thread: a worker is given a copy of it. For bodies that are still to be forwarded. Covers every
 * view of the memory.
 *
 * @returns what it was given
 */
export function pin<B extends Uint8Array | ArrayBuffer>(buffer: B): B {
  pinned.add(types.isUint8Array(buffer) ? buffer.buffer : buffer)
  return buffer
}

class Packer {
  readonly transfer: ArrayBuffer[] = []
  readonly buffers: BufferPlace[] = []

  pack(value: unknown, at: number): unknown {
    if (typeof value !== 'object' || value === null) return value
    if (isBytes(value)) return this.#bytes(value, [at])
    if (Array.isArray(value)) return this.#within(value, value.keys(), at)
    return isPlain(value) ? this.#within(value, Object.keys(value), at) : value
  }

  /** The container itself, or a copy where something in it had to be replaced: the caller's own is not written into. */
  #within(container: object, keys: Iterable<string | number>, at: number): object {
    const source = container as Record<string | number, unknown>
    let copy: Record<string | number, unknown> | undefined
    for (const key of keys) {
      const value = source[key]
      if (typeof value !== 'object' || value === null || !isBytes(value)) continue
      const packed = this.#bytes(value, [at, key])
      if (packed === value) continue
      copy ??= (Array.isArray(container) ? [...container] : { ...container }) as Record<
        string | number,
        unknown
      >
      copy[key] = packed
    }
    return copy ?? container
  }

  #bytes(value: Uint8Array | ArrayBuffer, place: BufferPlace): Uint8Array | ArrayBuffer {
    if (Buffer.isBuffer(value)) this.buffers.push(place)
    const memory = types.isUint8Array(value) ? value.buffer : value
    // Shared memory is neither moved nor copied.
    if (!types.isArrayBuffer(memory)) return value
    const whole = value.byteLength === memory.byteLength
    if (value.byteLength < MOVED_FROM) {
      // Posting a view sends all the memory under it: 8 KiB for a ten-byte Buffer.
      return whole ? value : new Uint8Array(value as Uint8Array)
    }
    if (whole && !pinned.has(memory) && !isMarkedAsUntransferable?.(memory)) {
      if (!this.transfer.includes(memory)) this.transfer.push(memory)
      return value
    }
    const copy = types.isUint8Array(value) ? new Uint8Array(value) : value.slice(0)
    this.transfer.push(types.isUint8Array(copy) ? copy.buffer : copy)
    return copy
  }
}

/**
 * Readies values for another thread: bytes of 4 KiB or more are moved, where they own all of their memory and nobody
 * pinned it, or else copied once and the copy moved; smaller ones are copied. Looks at each value, and one level
 * into arrays and plain objects; bytes that lie deeper are copied by the crossing itself and arrive as Uint8Array.
 */
export function pack(values: readonly unknown[]): Packed {
  const packer = new Packer()
  return {
    values: values.map((value, at) => packer.pack(value, at)),
    transfer: packer.transfer,
    buffers: packer.buffers
  }
}

/** The values as they were before `pack`, on the other side. */
export function unpack({ values, buffers }: Pick<Packed, 'values' | 'buffers'>): unknown[] {
  for (const [at, key] of buffers) {
    if (key === undefined) values[at] = asBuffer(values[at])
    else {
      const container = values[at] as Record<string | number, unknown>
      container[key] = asBuffer(container[key])
    }
  }
  return values
}

function asBuffer(value: unknown): Buffer {
  const bytes = value as Uint8Array
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}

function isBytes(value: object): value is Uint8Array | ArrayBuffer {
  return types.isUint8Array(value) || types.isArrayBuffer(value)
}

function isPlain(value: object): boolean {
  const prototype = Object.getPrototypeOf(value)
  return prototype === Object.prototype || prototype === null
}
