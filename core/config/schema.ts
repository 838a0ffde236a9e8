import { z } from 'zod'
import type { Place } from '../hooks/plugin.js'
import { address } from './address.js'
import { endpointUrl } from './endpoint-url.js'
import { listener } from './listener-schema.js'
import { headerName, headerValue, match } from './match-schema.js'
import { pemFile } from './pem-schema.js'
import { PROTOCOLS } from './protocol.js'
import { expected } from './quote.js'
import { duration, size } from './units.js'

/** How a listing's place is known again in the JSON Schema, where the plugins of that place are filled in. */
export const LISTINGS = 'x-outrigger-listings'

const listings = (place: Place, description: string) =>
  z
    .array(z.unknown())
    .meta({ [LISTINGS]: place, description })
    .default([])

const nameError = ({ input }: { input?: unknown }) =>
  `${expected('a name', input)}: letters, digits, dots, dashes and underscores`

export const name = z
  .string({ error: nameError })
  .regex(/^[A-Za-z0-9_][A-Za-z0-9_.-]*$/, { error: nameError })

const whole = (min: number, max: number) => z.int().min(min).max(max)

const endpoint = z.strictObject({
  url: endpointUrl,
  weight: z.number().min(0).max(1e6).describe('Its share of requests, from 0.').default(1),
  zone: z.string().min(1).optional(),
  priority: whole(0, 1000)
    .describe('0 is tried first; the next number when none of it is usable.')
    .default(0),
  tags: z.record(z.string(), z.string()).default({})
})

/** As it is listed. */
export const listedEndpoint = z.union([endpointUrl, endpoint])

export const service = z.strictObject({
  endpoints: z.array(listedEndpoint).describe('Instances that do the same job.').default([]),
  protocol: z
    .enum(PROTOCOLS)
    .describe(
      'What the endpoints speak; by default what their URLs say. h2c: HTTP/2 without TLS. h2: HTTP/2 over TLS. auto: what the other end settles for.'
    )
    .optional(),
  tls: z
    .strictObject({
      ca: pemFile('The CAs that the upstream is verified by; by default those of the system.').optional(),
      cert: pemFile('What is shown to the upstream.').optional(),
      key: pemFile('The key of that.').optional(),
      serverName: z
        .string()
        .min(1)
        .describe("The name in the upstream's certificate. By default the host.")
        .optional(),
      insecure: z.boolean().describe("True: the upstream's certificate is not verified.").default(false)
    })
    .describe('How the upstream is verified, and what is shown to it.')
    .prefault({}),
  plugins: listings('service', 'Run once per service, for every attempt on it.'),
  connectTimeout: duration({ min: 1 }).describe('For a connection to an endpoint to open.').default('5s'),
  keepAlive: duration({ min: 1 })
    .describe("That an idle upstream connection is kept; the upstream's own Keep-Alive shortens it.")
    .default('4s'),
  idleTimeout: duration({ min: 1 }).describe('That a streaming body may pause.').default('5m'),
  maxConnections: whole(1, 1_000_000).describe('Per endpoint.').default(1024),
  maxPending: whole(0, 1_000_000)
    .describe('Attempts per endpoint that may wait for a connection.')
    .default(1024)
})

const reply = z.strictObject({
  status: whole(200, 599).default(200),
  body: z
    .union([z.string(), z.record(z.string(), z.unknown()), z.array(z.unknown())])
    .describe('Text, or an object or a list, which is sent as JSON.')
    .optional(),
  headers: z.record(headerName, headerValue).default({})
})

export const route = z.strictObject({
  name,
  match: match.prefault({}),
  listeners: z.array(z.string()).min(1).describe('Names. All of them when left out.').optional(),
  service: z.string().describe('The service that answers.').optional(),
  reply: reply.describe('What is answered at once, in place of a service.').optional(),
  timeout: duration().describe('For the whole exchange; 0 for none.').default('15s'),
  encodedSlashes: z
    .enum(['refuse', 'keep'])
    .describe('What becomes of %2f and %5c in a path: 400, or kept as they are.')
    .default('refuse'),
  plugins: listings('route', 'The pipeline, outermost first.')
})

/** A whole configuration. What plugins ask of their own part is checked apart, as are references between parts. */
export const fileSchema = z.strictObject({
  listeners: z
    .record(name, listener, {
      error: ({ input }) =>
        input === undefined
          ? 'missing: expected at least one, such as { inbound: { address: 127.0.0.1:8080 } }'
          : undefined
    })
    .describe('The addresses that requests come in by.'),
  admin: z
    .union([z.literal(false), z.strictObject({ address: address.prefault('127.0.0.1:9901') })])
    .describe('Where /metrics, /readyz and the rest are served. false: nowhere.')
    .prefault({}),
  plugins: listings('top', 'Run on every route, outermost first.'),
  services: z.record(name, service).default({}),
  routes: z.array(route).default([]),
  workers: z
    .strictObject({
      threads: whole(1, 1024).describe('By default one less than there are cores.').optional(),
      maxQueue: whole(0, 1_000_000).describe('Tasks that may wait. By default 64 per thread.').optional(),
      maxHeap: size({ min: 32 * 1024 ** 2 })
        .describe('Heap of one thread.')
        .default('256MiB')
    })
    .describe('The pool for CPU-heavy work of plugins.')
    .prefault({}),
  processes: z
    .union([z.literal('auto'), whole(1, 1024)], {
      error: ({ input }) => expected("a whole number from 1 to 1024, or 'auto' for one a core", input)
    })
    .describe("Processes that share the listeners. 'auto': one a core. Taken up at the next start.")
    .default(1),
  fastLane: z
    .boolean()
    .describe('Plain HTTP/1.1 is read and written by the proxy itself, and all else by Node and undici.')
    .default(true),
  drain: duration().describe('How long exchanges under way may take to end after SIGTERM.').default('30s'),
  log: z
    .strictObject({ level: z.enum(['debug', 'info', 'warn', 'error', 'silent']).default('info') })
    .prefault({})
})

export type FileConfig = z.output<typeof fileSchema>
