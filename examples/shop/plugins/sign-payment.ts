import { createPrivateKey, generateKeyPairSync } from 'node:crypto'
import { definePlugin, z } from 'outrigger'
import type { sign as Sign } from './sign-payment.worker.js'

/** Signs the body of a request, in a worker thread: an RSA signature holds up every other request for a millisecond. */
export default definePlugin({
  name: 'sign-payment',
  version: '0.1.0',
  description: 'signs request bodies with RSA and SHA-256, in a worker thread',
  places: ['route'],
  config: z.strictObject({
    privateKey: z
      .string()
      .default('')
      .meta({ secret: true })
      .describe('PEM of an RSA key. By default one is made, which nobody else knows.')
  }),
  body: { request: 'buffer', maxBytes: 64 * 1024 },
  setup({ config, log, worker }) {
    const key = config.privateKey === '' ? makeKey() : config.privateKey
    if (config.privateKey === '') log.warn('no privateKey is configured: nobody can verify what is signed')
    // A key that is none fails here, and not at the first payment.
    createPrivateKey(key)
    const sign = worker<typeof Sign>(new URL('./sign-payment.worker.js', import.meta.url), 'sign')
    // The first call starts a thread: not while a customer waits. What fails here fails there too, and is told there.
    sign(key, Buffer.alloc(0)).catch(() => {})

    return {
      async request(exchange) {
        const { headers, body } = exchange.request
        const signature = await sign.for(exchange)(key, await body.bytes())
        // Whatever the client claimed is replaced.
        headers.set('x-signature', signature)
      }
    }
  }
})

function makeKey(): string {
  return generateKeyPairSync('rsa', {
    modulusLength: 2048,
    publicKeyEncoding: { type: 'spki', format: 'pem' },
    privateKeyEncoding: { type: 'pkcs8', format: 'pem' }
  }).privateKey
}
