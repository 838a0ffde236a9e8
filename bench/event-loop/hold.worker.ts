/** Does nothing for so many ms, and lets the thread do nothing else. */
export function hold(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms)
}
