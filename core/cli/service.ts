import type { Logger } from '../hooks/plugin.js'
import { StartError } from '../server/types.js'
import { accepts, localTarget, parseTarget, showTarget, type Target, untilAccepts } from './reach.js'
import { Supervisor } from './supervise.js'

export interface ServiceOptions {
  /** The command and its arguments. */
  command: readonly string[]
  /** `HOST:PORT` or `unix:PATH`, as the operator gave it. */
  waitFor: string | undefined
  /** ms */
  waitTimeout: number
  /** URLs of the configuration's endpoints. */
  endpoints: readonly string[]
  log: Logger
}

/**
 * Starts the service this proxy is for, and waits until it can be reached.
 *
 * Where it will be is what the operator says; else any endpoint on this machine that accepts connections now and did
 * not before. A guess that does not come true is only told, since the service may serve elsewhere or not at all yet;
 * an address that the operator gave is waited for or the start has failed.
 *
 * @param signal gives up the waiting, not the service
 * @param onStarted called before the waiting: from then on it is the caller's to stop
 * @throws StartError when it cannot be started, or is not there in time
 */
export async function startService(
  options: ServiceOptions,
  signal: AbortSignal,
  onStarted: (supervisor: Supervisor) => void
): Promise<void> {
  const { log, waitFor } = options
  const [command = '', ...args] = options.command
  const targets = waitFor === undefined ? await unserved(options.endpoints) : [parseTarget(waitFor)]
  const supervisor = new Supervisor({ command, args, log })
  await supervisor.start()
  onStarted(supervisor)
  if (targets.length === 0) {
    log.warn(
      'the service is not waited for: no local endpoint is left for it to serve; --wait-for names its address'
    )
    return
  }
  const found = await untilAccepts(targets, options.waitTimeout, signal)
  if (found !== undefined) {
    log.info({ address: showTarget(found) }, 'the service accepts connections')
  } else if (!signal.aborted) {
    const what = `the service accepts no connections at ${targets.map(showTarget).join(', ')} after ${options.waitTimeout / 1000} s`
    if (waitFor !== undefined) throw new StartError(what)
    log.warn(`${what}: going on without; --wait-for names its address`)
  }
}

/** ms that the service has to end after SIGTERM. */
export const STOP_GRACE = 10_000

async function unserved(endpoints: readonly string[]): Promise<Target[]> {
  const local = endpoints.map(localTarget).filter((target) => target !== undefined)
  const served = await Promise.all(local.map(accepts))
  return local.filter((_, i) => !served[i])
}
