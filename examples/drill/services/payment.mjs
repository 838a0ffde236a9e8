// Takes payments.
import { notFound, serve } from './instance.mjs'

serve(({ method, path }) => {
  return method === 'POST' && path === '/payments' ? { body: { paid: 'now' } } : notFound
})
