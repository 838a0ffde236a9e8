// Takes payments, and only those that the sidecar has signed.
import { verify } from 'node:crypto'
import { notFound, serve } from './instances.mjs'

const { SHOP_VERIFYING_KEY = '' } = process.env

serve('payment', ({ method, path, headers, body }) => {
  if (method !== 'POST' || path !== '/payments') return notFound
  if (!isSigned(body, headers['x-signature'])) {
    return { status: 403, body: { error: 'the signature is missing or wrong' } }
  }
  const { order, amount } = JSON.parse(body)
  return { body: { order, amount, signature: 'verified' } }
})

function isSigned(body, signature) {
  if (signature === undefined || SHOP_VERIFYING_KEY === '') return false
  return verify('sha256', body, SHOP_VERIFYING_KEY, Buffer.from(signature, 'base64'))
}
