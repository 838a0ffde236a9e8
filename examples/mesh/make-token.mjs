// Stands for whoever gives out tokens: prints one for the customer that it is told, signed with a key of its own making.
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { calculateJwkThumbprint, exportJWK, generateKeyPair, importJWK, SignJWT } from 'jose'

const PRIVATE = 'certs/issuer.jwk'
const PUBLIC = 'certs/jwks.json'

if (!existsSync(PRIVATE)) {
  const pair = await generateKeyPair('ES256', { extractable: true })
  const publicKey = { ...(await exportJWK(pair.publicKey)), alg: 'ES256', use: 'sig' }
  const kid = await calculateJwkThumbprint(publicKey)
  writeFileSync(PRIVATE, JSON.stringify({ ...(await exportJWK(pair.privateKey)), kid }), { mode: 0o600 })
  writeFileSync(PUBLIC, JSON.stringify({ keys: [{ ...publicKey, kid }] }))
}

const key = JSON.parse(readFileSync(PRIVATE, 'utf8'))
const token = new SignJWT({})
  .setProtectedHeader({ alg: 'ES256', kid: key.kid })
  .setIssuer('https://id.shop.local/')
  .setAudience('shop')
  .setSubject(process.argv[2] ?? 'alice')
  .setIssuedAt()
  .setExpirationTime('1h')
console.log(await token.sign(await importJWK(key, 'ES256')))
