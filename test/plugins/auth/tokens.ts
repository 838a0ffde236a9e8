import { generateKeyPairSync, type KeyObject, sign as signBytes } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type JWK, SignJWT } from 'jose'

/** Of a virtual clock at its start, in seconds. */
export const NOW = 1_735_689_600
export const ISSUER = 'https://id.shop.local/'
export const AUDIENCE = 'orders'

export interface SigningKey {
  alg: string
  kid: string
  privateKey: KeyObject
  /** As a key set holds it. */
  jwk: JWK
}

export function signingKey(alg: string, kid: string, more: Partial<JWK> = {}, bits = 2048): SigningKey {
  const { privateKey, publicKey } = pairFor(alg, bits)
  const jwk = { ...(publicKey.export({ format: 'jwk' }) as JWK), kid, alg, use: 'sig', ...more }
  return { alg, kid, privateKey, jwk }
}

function pairFor(alg: string, bits: number): { privateKey: KeyObject; publicKey: KeyObject } {
  if (/^[RP]S/.test(alg)) return generateKeyPairSync('rsa', { modulusLength: bits })
  if (/^E[dD]/.test(alg)) return generateKeyPairSync('ed25519')
  const namedCurve = { ES256: 'P-256', ES384: 'P-384', ES512: 'P-521' }[alg] as string
  return generateKeyPairSync('ec', { namedCurve })
}

export const claims = (more: object = {}) => ({
  iss: ISSUER,
  aud: AUDIENCE,
  sub: 'ada',
  iat: NOW,
  exp: NOW + 600,
  ...more
})

/** A right one, but for what is said. */
export function token(key: SigningKey, more: object = {}, header: object = {}): Promise<string> {
  return new SignJWT(claims(more) as never)
    .setProtectedHeader({ alg: key.alg, kid: key.kid, ...header })
    .sign(key.privateKey)
}

export const encoded = (value: unknown) =>
  Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url')

/** Signed with RSA and SHA-256 whatever its header and payload say. */
export function rawToken(key: SigningKey, header: unknown, payload: unknown): string {
  const input = `${encoded(header)}.${encoded(payload)}`
  return `${input}.${signBytes('sha256', Buffer.from(input), key.privateKey).toString('base64url')}`
}

export const keySet = (...keys: { jwk: JWK }[]) => JSON.stringify({ keys: keys.map(({ jwk }) => jwk) })

/** A folder with the file `keys.json`, gone with the test. */
export function keyFile(t: { teardown(close: () => unknown): unknown }, text: string) {
  const directory = mkdtempSync(join(tmpdir(), 'outrigger-jwks-'))
  t.teardown(() => rmSync(directory, { recursive: true, force: true }))
  const file = join(directory, 'keys.json')
  writeFileSync(file, text)
  return { directory, file, write: (next: string) => writeFileSync(file, next), remove: () => rmSync(file) }
}

export const jwt = (more: object = {}) => ({
  jwt: { issuer: ISSUER, audience: AUDIENCE, jwks: 'keys.json', algorithms: ['RS256'], ...more }
})

export const bearer = (value: string): [string, string][] => [['Authorization', `Bearer ${value}`]]
