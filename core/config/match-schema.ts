import { METHODS } from 'node:http'
import { z } from 'zod'
import { expected, quote } from './quote.js'
import { didYouMean } from './suggest.js'

const TOKEN = /^[!#$%&'*+\-.^_`|~\dA-Za-z]+$/
const HOST = /^(\*\.)?[a-z\d_]([a-z\d_-]*[a-z\d_])?(\.[a-z\d_]([a-z\d_-]*[a-z\d_])?)*$|^\[[\da-f:.]+\]$/

const path = z
  .string()
  .superRefine((text, context) => {
    const message = pathProblem(text)
    if (message !== undefined) context.addIssue({ code: 'custom', message })
  })
  .meta({
    description: '`/orders` alone, or `/orders/*` for what is under it.',
    pattern: '^/[^?#*]*\\*?$',
    examples: ['/orders', '/orders/*']
  })

/** A path that no request can have, as every request's is normalised, would be a route that never matches. */
function pathProblem(text: string): string | undefined {
  const what = 'a path such as /orders or /orders/*'
  if (!text.startsWith('/')) return `${expected(what, text)}: it begins with "/"`
  if (/[?#]/.test(text)) return `${expected(what, text)}: a query is matched by "query"`
  const star = text.indexOf('*')
  if (star >= 0 && !(star === text.length - 1 && text.endsWith('/*'))) {
    return `${expected(what, text)}: "*" stands only as the last segment, "/*"`
  }
  if (text.includes('//')) return `${expected(what, text)}: "//" never reaches a route, which sees one slash`
  if (/[\s\\\0]/.test(text)) return expected(what, text)
  let decoded: string
  try {
    decoded = decodeURIComponent(text)
  } catch {
    return `${expected(what, text)}: it does not decode`
  }
  if (decoded.split('/').some((segment) => segment === '.' || segment === '..')) {
    return `${expected(what, text)}: "." and ".." never reach a route, which sees them resolved`
  }
  return undefined
}

const host = z
  .string()
  .toLowerCase()
  .superRefine((text, context) => {
    if (HOST.test(text)) return
    const message = expected('a host such as shop.example.com or *.example.com', text)
    const hint = /:\d+$/.test(text) && !text.startsWith('[') ? ': without its port' : ''
    context.addIssue({ code: 'custom', message: message + hint })
  })
  .meta({
    description: 'Without port; `*.example.com` matches one label or more.',
    examples: ['shop.example.com']
  })

const method = z
  .string()
  .toUpperCase()
  .superRefine((text, context) => {
    if (METHODS.includes(text)) return
    const message = `expected an HTTP method such as GET or POST, not ${quote(text)}${didYouMean(text, METHODS)}`
    context.addIssue({ code: 'custom', message })
  })
  .meta({ examples: ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'] })

const methods = z.array(method).min(1)

export const headerName = z
  .string()
  .regex(TOKEN, { error: ({ input }) => expected('the name of a header', input) })
  .toLowerCase()

/** A line end in a header's value would begin another header. */
export const headerValue = z
  .string()
  .refine((text) => !/[\r\n\0]/.test(text), { error: 'expected the value of a header, without line ends' })

const headers = z
  .record(headerName, headerValue)
  .meta({ description: 'Name to the exact value, or `*` for present.' })

/** What a route asks of a request. */
export const match = z.strictObject({
  path: path.default('/*'),
  host: host.optional(),
  methods: methods.optional(),
  headers: headers.optional(),
  query: z
    .record(z.string(), z.string())
    .meta({ description: 'Parameter to the exact value, or `*` for present.' })
    .optional()
})

/** What a plugin's `when` asks of a request: a route's match, less the host and the query. */
export const when = z
  .strictObject({ path: path.default('/*'), methods: methods.optional(), headers: headers.optional() })
  .meta({ description: 'The plugin runs only for requests that all of this holds for.' })
