export function nothing(): void {}

export function back(bytes: Uint8Array): Uint8Array {
  return bytes
}

/** Waits until it may end. */
export function hold(gate: Int32Array): void {
  Atomics.wait(gate, 0, 0)
}
