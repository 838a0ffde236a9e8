import { z } from '../../core/index.js'

/** RFC 9110 token, which cookies' names are too. */
const TOKEN = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/

const token = (what: string) =>
  z
    .string()
    .max(100)
    .regex(TOKEN, { error: ({ input }) => `expected the name of a ${what}, not ${JSON.stringify(input)}` })

const method = z
  .string()
  .regex(/^[A-Za-z][A-Za-z-]{0,31}$/, {
    error: ({ input }) => `expected a method, such as GET, not ${JSON.stringify(input)}`
  })
  .transform((name) => name.toUpperCase())

export const config = z
  .strictObject({
    header: token('header').optional().describe('A request with this header asks for the canary.'),
    cookie: token('cookie').optional().describe('Or with this cookie.'),
    query: z.string().min(1).max(100).optional().describe('Or with this query parameter.'),
    value: z
      .union([z.string(), z.number().transform(String), z.boolean().transform(String)])
      .optional()
      .describe(
        'What the header, cookie or parameter must be, exactly. Default: anything, also nothing: it must be there.'
      ),
    methods: z.array(method).min(1).optional().describe('Only requests of these methods. Default: all.'),
    percent: z
      .number()
      .min(0)
      .max(100)
      .default(100)
      .describe('The part of those that is sent to the canary, drawn for each request. Default 100.'),
    tags: z
      .record(z.string().min(1), z.string())
      .optional()
      .describe('Which endpoints are the canary: those that have all of these tags.'),
    exclusive: z
      .boolean()
      .default(true)
      .describe('Keep all other requests off those endpoints. Default true.'),
    strict: z
      .boolean()
      .default(false)
      .describe(
        'Answer NO_ENDPOINT where no endpoint is left that a request may go to. Default false: it goes to any.'
      ),
    service: z
      .string()
      .min(1)
      .optional()
      .describe('In place of tags: the service that the canary is. At the top and on routes.')
  })
  .superRefine((config, context) => {
    const wrong = (message: string, ...path: string[]) => context.addIssue({ code: 'custom', path, message })
    const { header, cookie, query, value, methods, percent, tags, service } = config
    const marked = header !== undefined || cookie !== undefined || query !== undefined
    if (!marked && methods === undefined && percent === 100)
      wrong('expected header, cookie, query, methods or percent: which requests are for the canary')
    if (value !== undefined && !marked)
      wrong('expected header, cookie or query with it, whose value it is', 'value')
    if ((tags === undefined) === (service === undefined))
      wrong(`expected either tags or service, not ${tags === undefined ? 'neither' : 'both'}`)
    if (tags !== undefined && Object.keys(tags).length === 0)
      wrong('expected at least one tag, such as { version: v2 }', 'tags')
    if (service === undefined) return
    if (!config.exclusive) wrong('expected tags with it: a service of its own gets nothing else', 'exclusive')
    if (config.strict)
      wrong('expected tags with it: from a service of its own there is no other way', 'strict')
  })

export type CanaryConfig = z.output<typeof config>
