// Takes orders. It asks the other services for what it needs as everyone does: through the sidecar.
import { Newest, notFound, serve } from './instances.mjs'

const { SHOP_URL = 'http://127.0.0.1:23100', SHOP_ORDERS_KEY = 'orders-key' } = process.env

// The instances of this process share what would be their database.
const orders = new Newest()

serve('orders', async ({ method, path, headers, body }) => {
  const [, order] = /^\/orders\/([\w-]+)$/.exec(path) ?? []
  if (order === undefined) return notFound
  const known = orders.get(order)
  if (method === 'GET') return known === undefined ? notFound : { body: known }
  if (method !== 'PUT') return notFound
  if (known !== undefined) return { body: known }
  const wanted = read(body)
  if (wanted === undefined)
    return { status: 400, body: { error: 'an order is { "item": 7, "quantity": 1 }' } }
  return place(order, wanted, headers['x-request-id'] ?? '')
})

async function place(order, { item, quantity }, requestId) {
  // The sidecar gives every request an id of its own. This one says on whose behalf it is made: the log shows both.
  const ask = (method, path, body, headers) =>
    fetch(`${SHOP_URL}${path}`, {
      method,
      headers: { 'x-parent': requestId, ...headers },
      ...(body === undefined ? {} : { body: JSON.stringify(body) })
    }).then(async (response) => ({ ok: response.ok, status: response.status, answer: await response.json() }))

  const found = await ask('GET', `/catalogue/items/${item}`)
  if (!found.ok) return refused(found)
  const shelf = `/stock/${item}/reservations/${order}`
  const reserved = await ask('PUT', shelf, { quantity })
  if (!reserved.ok) return refused(reserved)
  const payment = { order, amount: found.answer.price * quantity }
  const paid = await ask('POST', '/payments', payment, { 'x-api-key': SHOP_ORDERS_KEY })
  if (!paid.ok) {
    await ask('DELETE', shelf)
    return refused(paid)
  }
  const placed = {
    order,
    item: found.answer.name,
    quantity,
    paid: paid.answer.amount,
    signature: paid.answer.signature,
    with: [found.answer.by, reserved.answer.by, paid.answer.by]
  }
  orders.set(order, placed)
  return { status: 201, body: placed }
}

function refused({ status, answer }) {
  return { status: status < 500 ? 409 : 502, body: { error: answer.error } }
}

function read(body) {
  try {
    const { item, quantity } = JSON.parse(body)
    return Number.isInteger(item) && quantity > 0 && Number.isInteger(quantity)
      ? { item, quantity }
      : undefined
  } catch {
    return undefined
  }
}
