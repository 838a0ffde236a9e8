// The system's own accounting of memory.
import { readFileSync } from 'node:fs'

const MIB = 1024 * 1024

/** Bytes of a process that are in memory; undefined where the system does not say. */
export function residentBytes(pid: number): number | undefined {
  try {
    const kib = /^VmRSS:\s*(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]
    return kib === undefined ? undefined : Number(kib) * 1024
  } catch {
    return undefined
  }
}

export function mib(bytes: number): number {
  return bytes / MIB
}

/** Looks every so often at how much a process has, and keeps the most. */
export class Peak {
  bytes: number
  readonly #pid: number
  readonly #timer: NodeJS.Timeout

  /** @param every ms */
  constructor(pid: number, every = 20) {
    this.#pid = pid
    this.bytes = residentBytes(pid) ?? Number.NaN
    this.#timer = setInterval(() => this.#look(), every)
  }

  stop(): number {
    clearInterval(this.#timer)
    this.#look()
    return this.bytes
  }

  #look(): void {
    const now = residentBytes(this.#pid)
    if (now !== undefined && now > this.bytes) this.bytes = now
  }
}

/** Waits until a process has as much as a second before, give or take a MiB, or 15 s have passed. */
export async function settledBytes(pid: number): Promise<number> {
  let before = Number.NaN
  for (let i = 0; i < 15; i++) {
    const now = residentBytes(pid) ?? Number.NaN
    if (Math.abs(now - before) < MIB) return now
    before = now
    await new Promise((resolve) => setTimeout(resolve, 1_000))
  }
  return before
}
