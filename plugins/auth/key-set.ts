import { setImmediate as turn } from 'node:timers/promises'
import type { CryptoKey, JWTHeaderParameters } from 'jose'
import { JWKSNoMatchingKey } from 'jose/errors'
import { createLocalJWKSet } from 'jose/jwks/local'
import type { Logger } from '../../core/index.js'

/** More is no issuer's key set, and each costs some 30 µs to import. */
const MOST_KEYS = 100
/** RFC 7518 section 3.3. A longer modulus than the other takes over a millisecond to compute with. */
const RSA_BITS = { least: 2048, most: 8192 }

/** The keys that tokens are verified with. */
export interface KeySet {
  /** How many serve. */
  readonly size: number
  /** @throws JWKSNoMatchingKey when none fits, or more than one does */
  find(header: Pick<JWTHeaderParameters, 'alg' | 'kid'>): CryptoKey
}

/**
 * Imports the keys of a JSON Web Key Set that serve one of the algorithms. What cannot serve is left out, with a
 * warning where it looks as though it were meant to.
 *
 * A token's `kid` has to be a key's, and the key has to be for its `alg`. A token without `kid` is taken where there is
 * one key alone for its `alg`.
 *
 * @throws Error when it is no key set, has more than 100 keys or a private one, or none that serves
 */
export async function readKeySet(
  text: string,
  algorithms: readonly string[],
  log: Pick<Logger, 'warn'>
): Promise<KeySet> {
  const jwks = parse(text)
  const byName = new Map<string, CryptoKey | undefined>()
  const byAlgorithm = new Map<string, CryptoKey | undefined>()
  let size = 0
  for (const jwk of jwks) {
    // The rest of the process goes on between two of them.
    await turn()
    let serves = false
    for (const alg of algorithms) {
      const key = await importKey(jwk, alg, log)
      if (key === undefined) continue
      serves = true
      addOnly(byAlgorithm, alg, key)
      if (jwk.kid === undefined) continue
      const name = nameOf(alg, jwk.kid)
      if (byName.has(name))
        log.warn({ kid: jwk.kid }, 'two keys of the key set have one kid: neither is used')
      addOnly(byName, name, key)
    }
    if (serves) size++
  }
  if (size === 0) throw new Error(`none of its ${jwks.length} keys serves ${algorithms.join(' or ')}`)
  return {
    size,
    find({ alg, kid }) {
      // Whatever stands under `kid` is compared: a list or a number is no key's.
      const key =
        kid === undefined
          ? byAlgorithm.get(alg)
          : typeof kid === 'string'
            ? byName.get(nameOf(alg, kid))
            : undefined
      if (key === undefined) throw new JWKSNoMatchingKey()
      return key
    }
  }
}

type Jwk = Record<string, unknown> & { kty?: string; kid?: string }

function parse(text: string): Jwk[] {
  let found: unknown
  try {
    found = JSON.parse(text)
  } catch {
    // Without the parser's own words, which quote the text.
    throw new Error('it is not JSON')
  }
  const keys = (found as { keys?: unknown } | null)?.keys
  if (!Array.isArray(keys) || !keys.every(isObject)) {
    throw new Error('it is no JSON Web Key Set: expected an object whose "keys" are objects')
  }
  if (keys.length > MOST_KEYS)
    throw new Error(`it has ${keys.length} keys, of which ${MOST_KEYS} are the most`)
  const open = (keys as Jwk[]).find(({ d, priv }) => d !== undefined || priv !== undefined)
  if (open !== undefined)
    throw new Error(
      `the key with kid ${JSON.stringify(open.kid)} is a private one: a key set holds public keys`
    )
  return keys as Jwk[]
}

function isObject(value: unknown): boolean {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** A second one makes it no one's: which was meant cannot be told. */
function addOnly(keys: Map<string, CryptoKey | undefined>, name: string, key: CryptoKey): void {
  keys.set(name, keys.has(name) ? undefined : key)
}

function nameOf(alg: string, kid: string): string {
  return `${alg} ${kid}`
}

async function importKey(jwk: Jwk, alg: string, log: Pick<Logger, 'warn'>): Promise<CryptoKey | undefined> {
  try {
    // By itself, so that the library says whether it fits: by its type, curve, `alg`, `use` and `key_ops`.
    const key = (await createLocalJWKSet({ keys: [jwk as never] })({ alg })) as CryptoKey
    const bits = (key.algorithm as { modulusLength?: number }).modulusLength
    if (bits === undefined || (bits >= RSA_BITS.least && bits <= RSA_BITS.most)) return key
    log.warn({ kid: jwk.kid }, `a key of the key set has ${bits} bits and is not used`)
  } catch (error) {
    if (error instanceof JWKSNoMatchingKey) return undefined
    log.warn({ kid: jwk.kid, error }, 'a key of the key set cannot be imported and is not used')
  }
  return undefined
}
