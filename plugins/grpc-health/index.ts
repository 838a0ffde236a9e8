import { definePlugin, Reply, z } from '../../core/index.js'
import {
  CallError,
  checkResponse,
  framed,
  listResponse,
  messageOf,
  NOT_FOUND,
  NOT_SERVING,
  OK,
  SERVING,
  type ServingStatus,
  serviceIn,
  UNIMPLEMENTED
} from './messages.js'

const PREFIX = '/grpc.health.v1.Health/'

/** health.proto's bound on what List may hold. */
const MAX_LISTED = 100

export default definePlugin({
  name: 'grpc-health',
  version: '0.1.0',
  description: "answers grpc.health.v1 from what the sidecar knows of its services' endpoints",
  places: ['route'],
  body: { request: 'buffer', maxBytes: 16 * 1024 },
  config: z.strictObject({
    services: z
      .record(z.string(), z.string().min(1))
      .default({})
      .refine((services) => Object.keys(services).length < MAX_LISTED, {
        error: `expected fewer than ${MAX_LISTED} services, which is what List may answer with`
      })
      .describe(
        'gRPC service names, such as shop.Orders, to the configured services they are served by; an empty name is what is asked without one'
      )
  }),
  *check({ config, services }) {
    for (const [name, configured] of Object.entries(config.services)) {
      if (!services.includes(configured))
        yield { path: ['services', name], message: `there is no service ${JSON.stringify(configured)}` }
    }
  },
  setup({ config, serviceNamed }) {
    const services = new Map<string, NonNullable<ReturnType<typeof serviceNamed>>>()
    for (const [name, configured] of Object.entries(config.services)) {
      const service = serviceNamed(configured)
      if (service !== undefined) services.set(name, service)
    }

    const statusOf = (name: string): ServingStatus | undefined => {
      const service = services.get(name)
      // Asked for no service in particular: that of the sidecar itself, which answers.
      if (service === undefined) return name === '' ? SERVING : undefined
      return service.usable().length > 0 ? SERVING : NOT_SERVING
    }

    const check = (body: Buffer): Reply => {
      const status = statusOf(serviceIn(messageOf(body)))
      return status === undefined
        ? ended(NOT_FOUND, 'no such service')
        : ended(OK, undefined, checkResponse(status))
    }

    const list = (body: Buffer): Reply => {
      messageOf(body)
      const names = new Set(['', ...services.keys()])
      return ended(
        OK,
        undefined,
        listResponse([...names].map((name) => [name, statusOf(name) ?? NOT_SERVING]))
      )
    }

    return {
      async request({ grpc, request }) {
        if (!grpc || !request.path.startsWith(PREFIX)) return undefined
        const method = request.path.slice(PREFIX.length)
        if (method !== 'Check' && method !== 'List') return ended(UNIMPLEMENTED, 'no such method')
        const body = await request.body.bytes()
        try {
          return method === 'Check' ? check(body) : list(body)
        } catch (error) {
          if (error instanceof CallError) return ended(error.status, error.message)
          throw error
        }
      }
    }
  }
})

function ended(status: number, words: string | undefined, message?: Buffer): Reply {
  const trailers: Record<string, string> = { 'grpc-status': String(status) }
  if (words !== undefined) trailers['grpc-message'] = words
  return new Reply(
    200,
    message === undefined ? undefined : framed(message),
    { 'content-type': 'application/grpc', 'grpc-accept-encoding': 'identity' },
    { trailers }
  )
}
