import type { FetchInit, SetupContext } from '../../core/index.js'
import type { HttpCheckConfig } from './config.js'
import { expectation } from './expected-status.js'
import { failureOf, type Probe } from './probe.js'

/** Tells the checks from the traffic in the endpoints' own logs. */
export const USER_AGENT = 'outrigger-health-check'

/** A request, through the connections that the service's traffic goes through. Redirects are not followed. */
export function httpProbe(
  { path, expect, method, headers, body }: HttpCheckConfig,
  service: string,
  timeout: number,
  fetch: SetupContext<unknown>['fetch']
): Probe {
  const isExpected = expectation(expect)
  const sent = { ...headers }
  if (!Object.keys(sent).some((name) => name.toLowerCase() === 'user-agent')) sent['user-agent'] = USER_AGENT
  // A query may hold a key, and the words go into logs.
  const [bare] = path.split('?', 1)
  const what = `${method} ${bare}`
  const fixed: FetchInit = {
    method,
    headers: sent,
    timeout,
    discard: true,
    ...(body === undefined ? {} : { body })
  }
  return async (endpoint, signal) => {
    try {
      const { status } = await fetch(service, path, { ...fixed, endpoint, signal })
      return { passed: isExpected(status), reason: `${what}: ${status}` }
    } catch (error) {
      return { passed: false, reason: `${what}: ${failureOf(error, timeout)}` }
    }
  }
}
