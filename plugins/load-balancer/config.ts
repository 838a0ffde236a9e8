import { duration, z } from '../../core/index.js'

const POLICIES = [
  'round-robin',
  'random',
  'least-request',
  'least-response-time',
  'ring-hash',
  'maglev',
  'zone-aware'
] as const

/** Those that look a key up in a table built of weights: to change these all the time would build it all the time. */
const HASHING: ReadonlySet<string> = new Set(['ring-hash', 'maglev'])
const STARTING_SLOWLY: ReadonlySet<string> = new Set([
  'round-robin',
  'random',
  'least-request',
  'least-response-time'
])

/** RFC 9110 token, which is what a header's and (RFC 6265) a cookie's name is. */
const TOKEN = /^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,256}$/

const token = (what: string) =>
  z
    .string()
    .regex(TOKEN, { error: ({ input }) => `expected the name of a ${what}, not ${JSON.stringify(input)}` })

/** What needs no name; one that is given all the same is no mistake. */
const nameless = (what: string) =>
  z.union([z.literal(true), z.string().min(1)], {
    error: ({ input }) => `expected true for the ${what}, not ${JSON.stringify(input)}`
  })

const KEYS = ['header', 'cookie', 'query', 'path', 'address'] as const

const hashOn = z
  .strictObject({
    header: token('header').optional().describe('The value of this header.'),
    cookie: token('cookie').optional().describe('The value of this cookie.'),
    query: z.string().min(1).max(256).optional().describe('The value of this query parameter.'),
    path: nameless('path').optional().describe('true: the path, without its query.'),
    address: nameless("client's address").optional().describe("true: the client's address.")
  })
  .superRefine((value, context) => {
    const given = KEYS.filter((key) => value[key] !== undefined)
    if (given.length === 1) return
    const found = given.length === 0 ? 'none' : given.join(' and ')
    context.addIssue({ code: 'custom', message: `expected one of ${KEYS.join(', ')}, not ${found}` })
  })

const window = duration({ min: 1 })

// The object first: of two that fit as badly, the first one's mistakes are told.
const slowStart = z.union([
  z.strictObject({
    window: window.describe('Until an endpoint that came in or came back has its whole weight.'),
    aggression: z
      .number()
      .gt(0)
      .max(100)
      .default(1)
      .describe('1: the weight grows evenly. More: faster at first. Default 1.')
  }),
  window
])

const affinity = z.strictObject({
  cookie: token('cookie').describe('The name of the cookie that is set.'),
  ttl: duration()
    .default('1h')
    .describe(
      'How long the client keeps it, from when it is set. 0: until the browser is closed. Default 1h.'
    ),
  secret: z
    .string()
    .min(16, { error: 'expected at least 16 characters' })
    .max(1024)
    .optional()
    .meta({ secret: true })
    .describe('What the cookie is signed with. Default: a key that follows from the name of the service.')
})

export const config = z
  .strictObject({
    policy: z
      .enum(POLICIES)
      .default('round-robin')
      .describe(
        'How the endpoint of each attempt is chosen. Weights count in all of them. Default round-robin.'
      ),
    hashOn: hashOn
      .optional()
      .describe('With ring-hash and maglev: what requests have in common that are to go to one endpoint.'),
    boundedLoad: z
      .number()
      .gt(1)
      .max(100)
      .optional()
      .describe(
        'With ring-hash and maglev: no endpoint has more under way than this many times its share. Default: no bound.'
      ),
    slowStart: slowStart
      .optional()
      .describe(
        'How long an endpoint that came in or came back gets less than its weight; or { window, aggression }. Default: no time.'
      ),
    affinity: affinity
      .optional()
      .describe('Keeps a client with one endpoint by a cookie. Default: no cookie.'),
    panicThreshold: z
      .number()
      .min(0)
      .max(1)
      .optional()
      .describe(
        'Where a smaller part of the endpoints is usable than this, unhealthy and ejected ones are used too. From 0 to 1. Default: never.'
      ),
    zone: z.string().min(1).optional().describe('With zone-aware: the zone that this proxy stands in.')
  })
  .superRefine(({ policy, hashOn, boundedLoad, slowStart, zone }, context) => {
    const say = (key: string, message: string) => context.addIssue({ code: 'custom', path: [key], message })
    const hashing = HASHING.has(policy)
    if (hashing && hashOn === undefined)
      say('hashOn', `missing: ${policy} expects what to hash, such as { header: x-user }`)
    if (!hashing && hashOn !== undefined)
      say('hashOn', `expected policy ring-hash or maglev with it, not ${policy}`)
    if (!hashing && boundedLoad !== undefined)
      say('boundedLoad', `expected policy ring-hash or maglev with it, not ${policy}`)
    if (slowStart !== undefined && !STARTING_SLOWLY.has(policy))
      say('slowStart', `expected policy ${[...STARTING_SLOWLY].join(', ')} with it, not ${policy}`)
    if (policy === 'zone-aware' && zone === undefined)
      say('zone', 'missing: zone-aware expects the zone that this proxy stands in')
    if (policy !== 'zone-aware' && zone !== undefined)
      say('zone', `expected policy zone-aware with it, not ${policy}`)
  })

export type LoadBalancerConfig = z.output<typeof config>
