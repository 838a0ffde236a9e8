import { createHash } from 'node:crypto'

/** A body's digest, as an upload is checked against. */
export function hash(body: Uint8Array): string {
  return createHash('sha256').update(body).digest('hex')
}
