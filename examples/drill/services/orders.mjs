// Takes orders. Each has to be paid, and payment is asked as everyone asks: through the sidecar.
import { Agent, request } from 'node:http'
import { notFound, serve } from './instance.mjs'

const agent = new Agent({ keepAlive: true })

serve(async ({ method, path, counts }) => {
  const [, order] = /^\/orders\/(\d+)$/.exec(path) ?? []
  if (order === undefined || method !== 'PUT') return notFound
  const payment = await pay(order, counts ? { 'x-counts': '1' } : {}).catch(() => undefined)
  if (payment === undefined) return { status: 502, body: { error: 'the payment failed' } }
  return { status: 201, body: { order, paid: payment.paid } }
})

/** @returns what payment said; undefined where it failed */
function pay(order, headers) {
  return new Promise((resolve, reject) => {
    const asking = request(
      `${process.env.SHOP_URL}/payments`,
      { method: 'POST', agent, headers },
      async (response) => {
        let text = ''
        response.setEncoding('utf8')
        try {
          for await (const part of response) text += part
          resolve(response.statusCode < 300 ? JSON.parse(text) : undefined)
        } catch (error) {
          reject(error)
        }
      }
    )
    asking.on('error', reject)
    asking.end(JSON.stringify({ order }))
  })
}
