import { createHash } from 'node:crypto'

const block = Buffer.alloc(16 * 1024)

/** Hashes for `ms`: work that nothing can interrupt, such as checking an upload's digest. */
export function work(ms: number): number {
  const end = performance.now() + ms
  let rounds = 0
  for (; performance.now() < end; rounds++) createHash('sha256').update(block).digest()
  return rounds
}
