import { createPrivateKey, createSign, type KeyObject } from 'node:crypto'

// A key is read from its text once, and not for every payment.
const keys = new Map<string, KeyObject>()

/**
 * @param pem the private key
 * @returns the signature in base64
 */
export function sign(pem: string, body: Uint8Array): string {
  let key = keys.get(pem)
  if (key === undefined) keys.set(pem, (key = createPrivateKey(pem)))
  return createSign('sha256').update(body).sign(key, 'base64')
}
