import { duration, isSettable, z } from '../../core/index.js'
import { statusRange } from './expected-status.js'

/** ms: what `unhealthyInterval` is by default, where `interval` is no shorter. Two checks at it are over well within 2 s. */
export const RECHECK = 500

const TARGET = /^\/[\x21\x22\x24-\x7e]*$/
const TOKEN = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/
const VALUE = /^[\t\x20-\x7e\x80-\xff]*$/

const status = z.union([z.number(), z.string()]).refine((written) => statusRange(written) !== undefined, {
  error: ({ input }) =>
    `expected a status from 200 to 599, a class such as 2xx or a range such as 200-299, not ${JSON.stringify(input)}`
})

const headers = z.record(z.string(), z.string()).superRefine((given, context) => {
  for (const [name, value] of Object.entries(given)) {
    // The value may be a secret: it is not repeated.
    const message = !TOKEN.test(name)
      ? 'expected the name of a header'
      : !isSettable(name)
        ? `${name} follows from the request itself and cannot be set`
        : VALUE.test(value)
          ? undefined
          : 'expected visible characters'
    if (message !== undefined) context.addIssue({ code: 'custom', path: [name], message })
  }
})

const http = z
  .strictObject({
    path: z
      .string()
      .regex(TARGET, {
        error: ({ input }) =>
          `expected a path such as /healthz, with a query or without, not ${JSON.stringify(input)}`
      })
      .default('/healthz')
      .describe('What is asked for; it may have a query. Default /healthz.'),
    expect: z
      .array(status)
      .min(1, { error: 'expected at least one status' })
      .default([200])
      .describe(
        'The statuses that pass: numbers, classes such as 2xx, ranges such as 200-299. Default [200].'
      ),
    method: z
      .enum(['GET', 'HEAD', 'OPTIONS', 'POST', 'PUT'])
      .default('GET')
      .describe('GET, HEAD, OPTIONS, POST or PUT. Default GET.'),
    headers: headers
      .default({})
      .meta({ secret: true })
      .describe('Sent with each check, `host` among them. Default none but a user-agent.'),
    body: z.string().max(65_536).optional().describe('Sent with each check, with POST or PUT. Default none.')
  })
  .superRefine(({ body, method }, context) => {
    if (body === undefined || method === 'POST' || method === 'PUT') return
    const message = `expected the method POST or PUT beside a body, not ${method}`
    context.addIssue({ code: 'custom', path: ['body'], message })
  })

const grpc = z.strictObject({
  service: z
    .string()
    .max(1_024)
    .default('')
    .describe('Whose health is asked for, such as shop.Stock; empty: the whole server. Default empty.')
})

const KINDS = ['http', 'tcp', 'grpc'] as const

export const config = z
  .strictObject({
    http: http.optional().describe('A request whose status says how the endpoint is.'),
    tcp: z
      .literal(true)
      .optional()
      .describe('A connection that is opened and closed again. What is done where no kind is given.'),
    grpc: grpc.optional().describe('grpc.health.v1.Health/Check, over HTTP/2: SERVING passes.'),
    interval: duration({ min: 10 })
      .default('5s')
      .describe('From one check of an endpoint to the next, at most. Default 5s.'),
    timeout: duration({ min: 1 })
      .default('1s')
      .describe('How long a check may take, connecting included. Default 1s.'),
    unhealthyAfter: z
      .number()
      .int()
      .min(1)
      .max(100)
      .default(3)
      .describe(
        'Failed checks in a row that take an endpoint out. One, before its first success. Default 3.'
      ),
    healthyAfter: z
      .number()
      .int()
      .min(1)
      .max(100)
      .default(2)
      .describe('Passed checks in a row that bring it back. One, before its first success. Default 2.'),
    unhealthyInterval: duration({ min: 10 })
      .optional()
      .describe(
        'In place of interval once a check has failed, until healthyAfter have passed. Default 500ms, or interval where that is shorter.'
      ),
    jitter: z
      .number()
      .min(0)
      .max(1)
      .default(0.1)
      .describe('Each wait is shorter by a random part of it, at most by this. From 0 to 1. Default 0.1.'),
    restoreEjected: z
      .boolean()
      .default(true)
      .describe('Whether healthyAfter passed checks end an ejection, as of outlier-detection. Default true.')
  })
  .superRefine((given, context) => {
    const kinds = KINDS.filter((kind) => given[kind] !== undefined)
    if (kinds.length < 2) return
    const message = `expected one of http, tcp and grpc, not ${kinds.join(' and ')}`
    context.addIssue({ code: 'custom', path: [kinds[1] as string], message })
  })

export type HealthCheckConfig = z.output<typeof config>
export type HttpCheckConfig = z.output<typeof http>
