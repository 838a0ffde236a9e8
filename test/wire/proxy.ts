import { createHash } from 'node:crypto'
import { definePlugin, Reply } from '../../core/index.js'
import { type StartedProxy, startProxy } from '../support/lane.js'
import type { Setup } from './case.js'

export const KEY = 'sesame'

/** What an identity plugin does: whoever claims to be a user is not, until this says so. */
const identity = definePlugin({
  name: 'identity',
  setup: () => ({
    request({ request }) {
      request.headers.delete('x-user')
      request.headers.set('x-user', 'alice')
    },
    response({ headers }) {
      headers.set('x-back', 'plugin')
    }
  })
})

const INJECTED = 'a\r\nx-injected: 1'

/** Puts line ends where none may be; the path says where. */
const meddle = definePlugin({
  name: 'meddle',
  setup: () => ({
    request({ request }) {
      const { headers } = request
      if (request.path === '/header') headers.set('x-a', INJECTED)
      else if (request.path === '/header-name') headers.set(`x-a: 1\r\nx-injected`, '1')
      else if (request.path === '/path') request.path = '/a HTTP/1.1\r\nx-injected: 1'
      else if (request.path === '/query') request.query = '?a HTTP/1.1\r\nx-injected: 1'
      else if (request.path === '/host') headers.set('host', INJECTED)
      else if (request.path === '/reply') return new Reply(200, 'ok', { 'x-a': INJECTED })
      return undefined
    },
    attempt({ headers }, { request }) {
      if (request.path === '/attempt-header') headers.append('x-a', INJECTED)
    },
    response({ headers, local }, { request }) {
      if (local) return
      if (request.path === '/cookie') headers.append('set-cookie', INJECTED)
      if (request.path === '/response') headers.set('x-a', INJECTED)
    }
  })
})

const IMPATIENT = { headersTimeout: 400, bodyTimeout: 400, idleTimeout: 400 }

/** The proxy that every case runs through: a listener for each setup. */
export function startWireProxy(endpoint: string): Promise<StartedProxy> {
  const digest = createHash('sha256').update(KEY).digest('hex')
  const guard = { auth: { apiKeys: { test: `sha256:${digest}` } } }
  const address = '127.0.0.1:0'
  const service = 'upstream'
  const listeners: Record<Setup, object> = {
    main: { address },
    keep: { address },
    trusted: { address, trustedProxies: ['127.0.0.1/32'] },
    identity: { address },
    meddle: { address },
    impatient: { address, ...IMPATIENT }
  }
  const any = { path: '/*' }
  return startProxy({
    listeners,
    services: { [service]: { endpoints: [endpoint] } },
    routes: [
      { name: 'shop', match: { path: '/guarded', host: 'shop.example' }, service, plugins: [guard] },
      { name: 'admin', match: { path: '/admin' }, service, plugins: [guard] },
      { name: 'admin-all', match: { path: '/admin/*' }, service, plugins: [guard] },
      { name: 'hang', match: { path: '/hang/*' }, service, timeout: 300 },
      { name: 'keep', match: any, listeners: ['keep'], service, encodedSlashes: 'keep' },
      { name: 'identity', match: any, listeners: ['identity'], service, plugins: [identity] },
      { name: 'meddle', match: any, listeners: ['meddle'], service, plugins: [meddle] },
      { name: 'rest', match: any, listeners: ['main', 'trusted', 'impatient'], service }
    ]
  })
}
