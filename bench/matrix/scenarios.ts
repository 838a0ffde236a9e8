// What is sent over HTTP/1.1. Each varies one thing of the first.
import { drive, type Traffic } from '../load/generator.js'
import type { Scenario } from '../rounds.js'

/** As many segments and as much of a query as a small request has. */
const PATH = '/orders/1?full=1'

const KIB = 1024
const MIB = 1024 * KIB

const GET: Traffic = { method: 'GET', bodyBytes: 0, connections: 50 }

export interface RequestScenario extends Scenario {
  /** That it is sent in TLS. */
  readonly secure: boolean
}

function scenario(
  name: string,
  label: string,
  traffic: Partial<Traffic>,
  { path = PATH, secure = false } = {}
): RequestScenario {
  const all = { ...GET, ...traffic }
  return { name, label, path, secure, drive: (url, seconds) => drive(url, all, seconds) }
}

/** What a path answers so many bytes to. */
const answering = (bytes: number) => ({ path: `/bytes/${bytes}` })

export const plainGet = scenario('get', 'GET, 128 B answered, 50 connections', {})

export const scenarios: readonly RequestScenario[] = [
  plainGet,
  scenario('10k', 'GET, 10 KiB answered', {}, answering(10 * KIB)),
  scenario('1m', 'GET, 1 MiB answered', {}, answering(MIB)),
  scenario('post', 'POST of 1 KiB, 128 B answered', { method: 'POST', bodyBytes: KIB }),
  scenario('post-1m', 'POST of 1 MiB, 128 B answered', { method: 'POST', bodyBytes: MIB }),
  scenario('headers', 'GET with 20 headers of a browser and a trace', { headers: true }),
  // A proxy that passes the service's `connection: keep-alive` on and then closes is in the wrong, and wrk says so; what
  // is asked for here is what a connection costs.
  scenario('fresh', 'GET, a connection for each request', { fresh: true }, { path: '/quiet/1?full=1' }),
  scenario('tls', 'GET over TLS, connections kept', {}, { secure: true }),
  scenario('200', 'GET, 200 connections', { connections: 200 }),
  scenario('1000', 'GET, 1,000 connections', { connections: 1000 })
]
