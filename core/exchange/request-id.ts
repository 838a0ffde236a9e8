import { randomFillSync } from 'node:crypto'
import { v7 } from 'uuid'

/** uuid draws 256 random bytes at a time, which is 3% of a small request: asking for more at once costs a tenth. */
const pool = new Uint8Array(16 * 1024)
let used = pool.length

/** A UUIDv7 (RFC 9562): ids made later sort later, to the millisecond. */
export function requestId(): string {
  if (used === pool.length) {
    randomFillSync(pool)
    used = 0
  }
  const random = pool.subarray(used, used + 16)
  used += 16
  return v7({ random })
}
