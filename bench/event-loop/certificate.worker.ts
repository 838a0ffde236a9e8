import { generateKeyPairSync } from 'node:crypto'
import forge from 'node-forge'

const { md, pki } = forge
const authority = keys()

/** Of 2048 bits. */
function keys(): { publicKey: forge.pki.rsa.PublicKey; privateKey: forge.pki.rsa.PrivateKey } {
  const { publicKey, privateKey } = generateKeyPairSync('rsa', {
    modulusLength: 2048,
    publicKeyEncoding: { type: 'spki', format: 'pem' },
    privateKeyEncoding: { type: 'pkcs8', format: 'pem' }
  })
  return { publicKey: pki.publicKeyFromPem(publicKey), privateKey: pki.privateKeyFromPem(privateKey) }
}

/** A key and a certificate for it, both new: a tenth of a second or more. @returns PEM */
export function issue(name: string): string {
  const { publicKey } = keys()
  const certificate = pki.createCertificate()
  certificate.publicKey = publicKey
  certificate.serialNumber = '01'
  certificate.validity.notAfter = new Date(Date.now() + 86_400_000)
  certificate.setSubject([{ name: 'commonName', value: name }])
  certificate.setIssuer([{ name: 'commonName', value: 'bench' }])
  certificate.sign(authority.privateKey, md.sha256.create())
  return pki.certificateToPem(certificate)
}
