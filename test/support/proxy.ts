import { type StartedProxy, startProxy } from './lane.js'

interface Closing {
  teardown(close: () => unknown): unknown
}

type Listing = string | object

export interface ProxySetup {
  endpoints: readonly (string | object)[]
  /** On the route. */
  plugins?: readonly Listing[]
  /** On the service. */
  service?: Record<string, unknown>
  /** On every route. */
  top?: readonly Listing[]
  route?: Record<string, unknown>
  /** The rest of the configuration, laid over it. */
  config?: Record<string, unknown>
}

/** A proxy with one listener and one route for everything, closed with the test. */
export async function startTestProxy(t: Closing, setup: ProxySetup): Promise<StartedProxy> {
  const { endpoints, plugins = [], service = {}, top = [], route = {}, config = {} } = setup
  const started = await startProxy({
    listeners: { in: { address: '127.0.0.1:0' } },
    plugins: top,
    services: { upstream: { endpoints, ...service } },
    routes: [{ name: 'all', match: { path: '/*' }, service: 'upstream', plugins, ...route }],
    ...config
  })
  t.teardown(() => started.close())
  return started
}
