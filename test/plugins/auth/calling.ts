import { Fields } from '../../../core/exchange/fields.js'
import {
  type Client,
  type Clock,
  type Exchange,
  type PluginHooks,
  ProxyError,
  type SetupContext
} from '../../../core/index.js'
import { CapturedLog } from '../../../core/testing/captured-log.js'
import { VirtualClock } from '../../../core/testing/virtual-clock.js'
import auth from '../../../plugins/auth/index.js'

export type Sent = readonly (readonly [name: string, value: string])[]
export type Certificate = NonNullable<Client['certificate']>

export interface Called {
  error: ProxyError | undefined
  identity: unknown
  claims: unknown
  /** What is left, and what was added. */
  fields: [string, string][]
}

interface Closing {
  teardown(close: () => unknown): unknown
}

/** The plugin set up, on a virtual clock. What it opened is closed with the test. */
export async function openAuth(
  t: Closing,
  config: object,
  { directory = '/', clock = new VirtualClock() }: { directory?: string; clock?: Clock } = {}
) {
  const log = new CapturedLog()
  const closing: (() => unknown)[] = []
  const close = () => {
    for (const each of closing.splice(0)) each()
  }
  t.teardown(close)
  const context = {
    config: auth.config?.parse(config),
    directory,
    clock,
    log,
    onClose: (closer: () => unknown) => closing.push(closer)
  } as unknown as SetupContext<never>
  const hooks = (await auth.setup(context)) as Required<Pick<PluginHooks, 'request'>>

  const call = (sent: Sent, certificate?: Partial<Certificate>): Called | Promise<Called> => {
    const headers = new Fields(sent.flat())
    const values = new Map<string, unknown>()
    const exchange = {
      request: { headers },
      client: { address: '127.0.0.1', port: 1, identity: undefined, certificate: full(certificate) },
      set: (key: { name: string }, value: unknown) => values.set(key.name, value)
    } as unknown as Exchange
    const called = (error?: unknown): Called => {
      if (error !== undefined && !ProxyError.is(error)) throw error
      return { error, identity: values.get('identity'), claims: values.get('claims'), fields: [...headers] }
    }
    try {
      const result = hooks.request(exchange)
      return result instanceof Promise ? result.then(() => called(), called) : called()
    } catch (error) {
      return called(error)
    }
  }
  return { call, log: log.lines, clock: clock as VirtualClock, close }
}

function full(certificate: Partial<Certificate> | undefined): Certificate | undefined {
  return certificate === undefined
    ? undefined
    : { subject: 'CN=anyone', uris: [], dnsNames: [], fingerprint: '0'.repeat(64), ...certificate }
}
