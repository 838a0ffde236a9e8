import { isSettable, z } from '../../core/index.js'
import { FAILURES, failure } from './failures.js'

const HEADER_VALUE = /^[\t\x20-\x7e\x80-\xff]*$/
const HEADER_NAME = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/

const NO_BODY: ReadonlySet<number> = new Set([204, 205, 304])

const reply = z
  .strictObject({
    status: z.number().int().min(200).max(599).default(200).describe('Default 200.'),
    body: z
      .union([z.string(), z.record(z.string(), z.unknown()), z.array(z.unknown())], {
        error: 'expected text, or an object or a list to be sent as JSON'
      })
      .optional()
      .describe('Text, or an object or a list that is sent as JSON. Default: none.'),
    headers: z
      .record(
        z
          .string()
          .regex(HEADER_NAME, { error: 'expected a header name' })
          .refine(isSettable, { error: 'this header follows from the message and cannot be set' }),
        z.string().regex(HEADER_VALUE, { error: 'expected visible characters' })
      )
      .default({})
      .describe('More headers of it.')
  })
  .superRefine(({ status, body }, context) => {
    if (body === undefined || !NO_BODY.has(status)) return
    context.addIssue({
      code: 'custom',
      path: ['body'],
      message: `a response of status ${status} has no body`
    })
  })

export const config = z
  .strictObject({
    order: z
      .array(z.enum(['zone', 'priority']))
      .min(1)
      .max(2)
      .refine((order) => new Set(order).size === order.length, { error: 'expected each word once' })
      .optional()
      .describe(
        'On a service: by what its endpoints are grouped into levels, the weightier first. Default [priority], and [zone, priority] where `zone` is given.'
      ),
    zone: z
      .string()
      .min(1)
      .optional()
      .describe('On a service: the zone that the proxy stands in, whose endpoints come first.'),
    overprovisioning: z
      .number()
      .min(1)
      .optional()
      .describe(
        'On a service: how much more a level can take than its usual share. It keeps all of its traffic while usable / all x this is 1 or more. Default 1.4.'
      ),
    services: z
      .array(z.string().min(1))
      .min(1)
      .refine((services) => new Set(services).size === services.length, {
        error: 'expected each service once'
      })
      .optional()
      .describe("On a route or at the top: services that are tried in turn when the route's own has failed."),
    reply: reply
      .optional()
      .describe('On a route or at the top: what is answered when no service is left that can.'),
    on: z
      .array(failure)
      .min(1)
      .optional()
      .describe(
        `On a route or at the top: what counts as failed, of ${FAILURES.join(', ')}, statuses and gRPC statuses. Having no usable endpoint, an open breaker and a service at its limit always do. Default [5xx, unavailable].`
      ),
    nonIdempotent: z
      .boolean()
      .optional()
      .describe(
        'On a route or at the top: send POST, PATCH and the like to the next service too, even when the first may have done the work. Default false.'
      )
  })
  .superRefine(({ order, zone }, context) => {
    if (zone === undefined || order === undefined || order.includes('zone')) return
    context.addIssue({
      code: 'custom',
      path: ['zone'],
      message: 'is of no use where order has no zone: expected order: [zone, priority]'
    })
  })

export type FailoverConfig = z.output<typeof config>
export type ReplyConfig = z.output<typeof reply>
