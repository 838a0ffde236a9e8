// What there is to buy. The third instance is slow.
import { setTimeout as sleep } from 'node:timers/promises'
import { notFound, serve } from './instances.mjs'

/** ms */
const SLOW = 500

const items = ['lantern', 'kettle', 'rope', 'compass', 'blanket', 'hammock', 'anchor', 'flask'].map(
  (name, i) => ({
    item: i + 1,
    name,
    price: 4 + 3 * i
  })
)

serve('catalogue', async ({ path, instance }) => {
  if (instance === 'catalogue-c') await sleep(SLOW)
  if (path === '/catalogue/items') return { body: { items } }
  const item = items.find(({ item }) => path === `/catalogue/items/${item}`)
  return item === undefined ? notFound : { body: item }
})
