// How much of each item is left. The second instance fails every third time: by a 503, or by cutting the connection.
import { Newest, notFound, serve } from './instances.mjs'

// The instances of this process share what would be their database.
const left = new Map(Array.from({ length: 8 }, (_, i) => [i + 1, 100]))
const reservations = new Newest()
let asked = 0

serve('stock', ({ method, path, body, instance }) => {
  if (instance === 'stock-b' && ++asked % 3 === 0) {
    return asked % 2 === 0 ? undefined : { status: 503, body: { error: 'the shelves are being counted' } }
  }
  const [, number, , order] = /^\/stock\/(\d+)(\/reservations\/([\w-]+))?$/.exec(path) ?? []
  const item = Number(number)
  if (!left.has(item)) return notFound
  if (order === undefined) return method === 'GET' ? { body: { item, left: left.get(item) } } : notFound
  if (method === 'PUT') return reserve(item, order, body)
  return method === 'DELETE' ? release(item, order) : notFound
})

/** The order's number makes it safe to repeat: the second time changes nothing. */
function reserve(item, order, body) {
  const { quantity } = JSON.parse(body)
  if (!reservations.has(order)) {
    if (left.get(item) < quantity) return { status: 409, body: { error: `only ${left.get(item)} left` } }
    reservations.set(order, { item, quantity })
    const rest = left.get(item) - quantity
    // A delivery comes before the shelf is empty.
    left.set(item, rest < 20 ? rest + 100 : rest)
  }
  return { body: { item, order, reserved: reservations.get(order).quantity } }
}

function release(item, order) {
  const { quantity = 0 } = reservations.get(order) ?? {}
  reservations.delete(order)
  left.set(item, left.get(item) + quantity)
  return { body: { item, order, reserved: 0 } }
}
