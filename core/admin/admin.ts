import fastify, { type FastifyInstance, type FastifyReply } from 'fastify'
import { ConfigError, formatProblem } from '../config/problem.js'
import type { Logger } from '../hooks/plugin.js'
import type { PluginView, Proxy, RouteView, ServiceView } from '../server/types.js'
import { refusal } from './guard.js'

type Awaitable<T> = T | PromiseLike<T>

/** What an admin is of: a proxy in this process, or several processes that are one. */
export interface Administered extends Pick<Proxy, 'state' | 'addresses' | 'metrics' | 'config'> {
  readonly inFlight: Awaitable<number>
  routes(): Awaitable<RouteView[]>
  services(): Awaitable<ServiceView[]>
  plugins(): Awaitable<PluginView[]>
  reload(): Promise<void>
}

/** Of several processes, none is there to answer. */
export class NobodyServes extends Error {}

export interface AdminOptions {
  proxy: Administered
  /** Called once, after the answer to POST /drain has been given. */
  onDrain(): void
  /** Called after each POST /reload that has taken up a configuration. */
  onReload(): void
  log: Logger
}

/** Scripts and styles from here alone, and nothing from anywhere else: the page works without a network. */
const POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; " +
  "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

/**
 * The admin's server, not yet listening: whoever starts it chooses the address. It has no login; `refusal` keeps
 * web pages out, and the address it is bound to must keep everyone else out.
 */
export function createAdmin({ proxy, onDrain, onReload, log }: AdminOptions): FastifyInstance {
  const admin = fastify({
    logger: false,
    // A dashboard left open polls over a kept connection, which must not hold up the end of the process.
    forceCloseConnections: true,
    bodyLimit: 64 * 1024,
    routerOptions: { ignoreTrailingSlash: true }
  })
  // No request has a body that matters; one sent along is read and forgotten whatever its type.
  admin.removeAllContentTypeParsers()
  admin.addContentTypeParser('*', { parseAs: 'buffer' }, (_request, _body, done) => done(null))

  admin.addHook('onRequest', async (request, reply) => {
    reply.headers({
      'cache-control': 'no-store',
      'x-content-type-options': 'nosniff',
      'referrer-policy': 'no-referrer',
      'cross-origin-resource-policy': 'same-origin',
      'content-security-policy': POLICY
    })
    const { host, origin, 'sec-fetch-site': site } = request.headers
    const fetchSite = Array.isArray(site) ? site[0] : site
    const why = refusal({ method: request.method, host, origin, fetchSite }, proxy.addresses.get('admin'))
    if (why === undefined) return
    log.warn(
      { method: request.method, path: request.url.slice(0, 200), reason: why },
      'admin: request refused'
    )
    return json(reply.code(403), { error: 'FORBIDDEN', message: why })
  })

  admin.get('/livez', (_request, reply) => text(reply, 'ok\n'))
  admin.get('/readyz', (_request, reply) =>
    text(reply.code(proxy.state === 'ready' ? 200 : 503), `${proxy.state}\n`)
  )
  admin.get('/metrics', async (_request, reply) => {
    const metrics = await proxy.metrics()
    return reply.type(metrics.contentType).send(metrics.text)
  })
  admin.get('/config', (_request, reply) => json(reply, proxy.config()))
  admin.get('/routes', async (_request, reply) => json(reply, await proxy.routes()))
  admin.get('/services', async (_request, reply) => json(reply, await proxy.services()))
  admin.get('/plugins', async (_request, reply) => json(reply, await proxy.plugins()))

  // Few admins are ever looked at by a browser: the page is loaded for the first that comes.
  admin.get('/', async (_request, reply) => {
    const { page } = await import('./dashboard/page.js')
    return reply.type('text/html; charset=utf-8').send(page)
  })
  admin.get('/dashboard.css', async (_request, reply) => {
    const { style } = await import('./dashboard/style.js')
    return reply.type('text/css; charset=utf-8').send(style)
  })
  admin.get('/dashboard.js', async (_request, reply) => {
    const { script } = await import('./dashboard/script.js')
    return reply.type('text/javascript; charset=utf-8').send(script)
  })

  admin.post('/reload', async (_request, reply) => {
    const cause = 'POST /reload'
    try {
      await proxy.reload()
      log.info({ cause }, 'reloaded')
      onReload()
    } catch (error) {
      log.error({ cause }, 'not reloaded: the configuration before it stays in use')
      if (error instanceof ConfigError) {
        const problems = error.problems.map(formatProblem)
        for (const problem of problems) log.error(problem)
        return json(reply.code(400), { error: 'CONFIG_INVALID', message: 'nothing was changed', problems })
      }
      const message = error instanceof Error ? error.message : String(error)
      log.error({ error }, message)
      return json(reply.code(500), { error: 'RELOAD_FAILED', message, problems: [] })
    }
    return json(reply, { ok: true })
  })

  let drainAsked = false
  admin.post('/drain', async (_request, reply) => {
    const inFlight = await proxy.inFlight
    if (!drainAsked) {
      drainAsked = true
      // Draining ends this server too: the answer goes first.
      reply.raw.once('close', onDrain)
    }
    return json(reply.code(202), { ok: true, state: 'draining', inFlight })
  })

  const paths = new Map<string, string>()
  for (const path of ['/livez', '/readyz', '/metrics', '/config', '/routes', '/services', '/plugins']) {
    paths.set(path, 'GET, HEAD')
  }
  for (const path of ['/', '/dashboard.css', '/dashboard.js']) paths.set(path, 'GET, HEAD')
  for (const path of ['/reload', '/drain']) paths.set(path, 'POST')

  admin.setNotFoundHandler((request, reply) => {
    const path = request.url.replace(/[?#].*$/, '')
    const allowed = paths.get(path)
    if (allowed !== undefined) {
      const message = `${path} takes ${allowed}`
      return json(reply.code(405).header('allow', allowed), { error: 'METHOD_NOT_ALLOWED', message })
    }
    const listed = [...paths].map(([known, methods]) => `${methods.split(',')[0]} ${known}`)
    return json(reply.code(404), { error: 'NOT_FOUND', message: 'no such path', paths: listed })
  })
  admin.setErrorHandler((error: Error & { statusCode?: number }, request, reply) => {
    const status = error.statusCode ?? 500
    if (status < 500) return json(reply.code(status), { error: 'BAD_REQUEST', message: error.message })
    if (error instanceof NobodyServes)
      return json(reply.code(503), { error: 'NOT_READY', message: error.message })
    log.error({ path: request.url, err: error }, 'admin: request failed')
    return json(reply.code(500), { error: 'INTERNAL', message: 'see the log' })
  })
  return admin
}

function json(reply: FastifyReply, value: unknown): FastifyReply {
  return reply.type('application/json; charset=utf-8').send(`${JSON.stringify(value ?? null, null, 2)}\n`)
}

function text(reply: FastifyReply, value: string): FastifyReply {
  return reply.type('text/plain; charset=utf-8').send(value)
}
