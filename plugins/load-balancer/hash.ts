const C1 = 0xcc9e2d51
const C2 = 0x1b873593
/** The golden ratio's part of 2^32, odd: multiples of it are far apart. */
const GOLDEN = 0x9e3779b1

/**
 * MurmurHash3, x86, 32 bits (Austin Appleby, public domain), of a text's UTF-8 bytes. Not for secrets: who knows it can
 * choose texts that come to the same.
 *
 * @param seed 32 bits
 * @returns from 0 to 2^32 - 1
 */
export function murmur3(text: string, seed: number): number {
  for (let i = 0; i < text.length; i++) {
    // Rare: what stands in paths, addresses and most headers is ASCII, whose characters are its bytes.
    if (text.charCodeAt(i) > 0x7f) return ofBytes(Buffer.from(text).toString('latin1'), seed)
  }
  return ofBytes(text, seed)
}

/** @param text each character is one byte */
function ofBytes(text: string, seed: number): number {
  const { length } = text
  const whole = length & ~3
  let hash = seed
  for (let i = 0; i < whole; i += 4) {
    const block =
      text.charCodeAt(i) |
      (text.charCodeAt(i + 1) << 8) |
      (text.charCodeAt(i + 2) << 16) |
      (text.charCodeAt(i + 3) << 24)
    hash ^= scramble(block)
    hash = (hash << 13) | (hash >>> 19)
    hash = (Math.imul(hash, 5) + 0xe6546b64) | 0
  }
  let rest = 0
  for (let i = length - 1; i >= whole; i--) rest = (rest << 8) | text.charCodeAt(i)
  if (whole < length) hash ^= scramble(rest)
  return finish(hash ^ length)
}

function scramble(block: number): number {
  const mixed = Math.imul(block, C1)
  return Math.imul((mixed << 15) | (mixed >>> 17), C2)
}

/** MurmurHash3's last step: each bit of what goes in changes half of what comes out. A bijection of 32 bits. */
export function finish(value: number): number {
  let hash = value ^ (value >>> 16)
  hash = Math.imul(hash, 0x85ebca6b)
  hash ^= hash >>> 13
  hash = Math.imul(hash, 0xc2b2ae35)
  return (hash ^ (hash >>> 16)) >>> 0
}

/** The n-th hash of one that is there already: as good as independent of the others. */
export function rehash(hash: number, n: number): number {
  return finish(hash + Math.imul(n, GOLDEN))
}

/** An endpoint's place among the hashes: two words, so that two endpoints do not share a row of points by chance. */
export interface Identity {
  readonly one: number
  readonly two: number
}

export function identify(url: string): Identity {
  return { one: murmur3(url, 0x6f757472), two: murmur3(url, 0x69676765) }
}
