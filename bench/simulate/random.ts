// Chance that comes out the same again: each part of a simulation draws from a stream of its own, so that one more draw
// in one of them changes nothing in the others.

/** From 0 to less than 1. */
export type Random = () => number

/** Rounds after which what two seeds have in common no longer shows. */
const MIXED = 15

/**
 * sfc32 (Chris Doty-Humphrey, PractRand): three words of state and a counter, a period of 2^32 at the very least.
 *
 * @param name of the stream: of the same seed, each name draws other numbers
 */
export function stream(seed: number, name: string): Random {
  let a = seed | 0
  let b = hash(name)
  let c = Math.imul(seed ^ b, 0x9e3779b1)
  let counter = 1
  const next = () => {
    const sum = (((a + b) | 0) + counter) | 0
    counter = (counter + 1) | 0
    a = b ^ (b >>> 9)
    b = (c + (c << 3)) | 0
    c = (((c << 21) | (c >>> 11)) + sum) | 0
    return (sum >>> 0) / 2 ** 32
  }
  for (let i = 0; i < MIXED; i++) next()
  return next
}

/** FNV-1a, 32 bits. */
export function hash(text: string): number {
  let state = 0x811c9dc5
  for (let i = 0; i < text.length; i++) state = Math.imul(state ^ text.charCodeAt(i), 0x01000193)
  return state | 0
}
