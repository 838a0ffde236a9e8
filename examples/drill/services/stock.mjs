// How much of each item is left.
import { notFound, serve } from './instance.mjs'

serve(({ path }) => {
  const [, item] = /^\/stock\/([1-8])$/.exec(path) ?? []
  return item === undefined ? notFound : { body: { item: Number(item), left: 100 - Number(item) } }
})
