// What there is to buy.
import { notFound, serve } from './instance.mjs'

const names = ['lantern', 'kettle', 'rope', 'compass', 'blanket', 'hammock', 'anchor', 'flask']

serve(({ path }) => {
  const [, item] = /^\/catalogue\/items\/([1-8])$/.exec(path) ?? []
  return item === undefined ? notFound : { body: { item: Number(item), name: names[item - 1] } }
})
