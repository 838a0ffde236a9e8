import type { Seat } from '../cluster/share.js'
import type { Logger } from '../hooks/plugin.js'
import type { Host } from '../host.js'
import type { Proxy, ServiceView } from '../server/types.js'
import { UsageError } from './failure.js'
import { parseTarget } from './reach.js'
import { Reloads } from './reloads.js'
import { STOP_GRACE, startService } from './service.js'
import { listenForSignals } from './signals.js'
import { failOnStrayErrors, surviveStrayErrors } from './stray.js'
import type { Supervisor } from './supervise.js'
import { FileWatch } from './watch.js'

export interface RunOptions {
  file: string
  watch: boolean
  /** The service beside the proxy, and its arguments; undefined: none. */
  command: readonly string[] | undefined
  /** `HOST:PORT` or `unix:PATH`. */
  waitFor: string | undefined
  /** Seconds, as they were typed. */
  waitTimeout: string
  verbose: boolean
}

/** `outrigger run`: resolves when the proxy has been drained and the service beside it has ended. */
export async function run({ host, ...options }: RunOptions & { host: Host }): Promise<void> {
  const { command, waitFor } = options
  const waitTimeout = Number(options.waitTimeout) * 1000
  if (!(waitTimeout > 0))
    throw new UsageError(`--wait-timeout takes seconds, not ${JSON.stringify(options.waitTimeout)}`)
  if (waitFor !== undefined) {
    parseTarget(waitFor)
    if (command === undefined)
      throw new UsageError('--wait-for is where COMMAND serves, and there is none behind --')
  }
  const seat = takeSeat()
  if (seat !== undefined) {
    const { serve } = await import('../cluster/serve.js')
    return serve({ host, ...options, seat })
  }
  const [{ prepareProxy }, { createLogger }] = await Promise.all([
    import('../server/create.js'),
    import('../log/logger.js')
  ])
  const log = createLogger({ verbose: options.verbose })
  const session = new Session(log)
  await session.run(options, waitTimeout, async (asked) => {
    const { file, verbose } = options
    const { config, build } = await prepareProxy(host, file, {
      ...asked,
      log,
      ...(verbose ? { logLevel: 'debug' } : {})
    })
    if (config.processes === 1) return build()
    const { Primary } = await import('../cluster/primary.js')
    const args = ['run', file, ...(verbose ? ['--verbose'] : [])]
    return Primary.build({
      program: { file: process.argv[1] as string, args },
      file,
      config,
      log,
      verbose,
      ...asked
    })
  })
}

/** Which process this one is of several; undefined when it is started by itself. What it starts has no seat. */
function takeSeat(): Seat | undefined {
  const seat = process.env.OUTRIGGER_PROCESS
  delete process.env.OUTRIGGER_PROCESS
  if (seat === undefined || process.send === undefined) return undefined
  // Ctrl-C reaches a whole terminal's group and a service manager signals each process: the primary alone is meant, and
  // tells this one.
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => {})
  return JSON.parse(seat) as Seat
}

/** What the admin was asked for. */
interface Asked {
  onDrain(): void
  onReload(): void
}

/** What a session runs: a proxy in this process, or the primary of several. */
interface Running extends Pick<Proxy, 'start' | 'addresses' | 'drain' | 'close' | 'state' | 'watched'> {
  readonly inFlight: number | PromiseLike<number>
  reload(): Promise<void>
  services(): ServiceView[] | PromiseLike<ServiceView[]>
}

/** One life of the process: started, running, asked to stop, drained. */
class Session {
  readonly #log: Logger
  /** Aborts when the proxy is to end, its reason being what asked for it. */
  readonly #stop = new AbortController()
  #proxy: Running | undefined
  #service: Supervisor | undefined
  #reloads: Reloads | undefined
  #reloadCause: string | undefined
  #watch: FileWatch | undefined
  #ignoreStray: () => void = () => {}
  #onReload: (() => void) | undefined

  constructor(log: Logger) {
    this.#log = log
  }

  async run(
    options: RunOptions,
    waitTimeout: number,
    create: (asked: Asked) => Promise<Running>
  ): Promise<void> {
    const ignoreSignals = listenForSignals({
      onStop: (signal) => this.#stop.abort(signal),
      onForce: (exitCode) => this.#force(exitCode),
      onReload: () => this.#askReload('SIGHUP')
    })
    // Whatever ends this process, the service must not be left behind.
    const killService = () => this.#service?.kill()
    process.on('exit', killService)
    try {
      const proxy = await this.#start(options, waitTimeout, create)
      await this.#serve(proxy)
      await this.#end(proxy)
    } catch (error) {
      await this.#service?.stop(STOP_GRACE)
      await this.#proxy?.close()
      // Of a start that was broken off, what did not come about is no failure.
      if (this.#proxy !== undefined || !this.#stop.signal.aborted) throw error
      this.#log.info('ended')
    } finally {
      ignoreSignals()
      this.#watch?.close()
      this.#ignoreStray()
      process.off('exit', killService)
    }
  }

  async #start(
    options: RunOptions,
    waitTimeout: number,
    create: (asked: Asked) => Promise<Running>
  ): Promise<Running> {
    const { failure, ignore } = failOnStrayErrors()
    const stop = this.#stop.signal
    const since = Date.now()
    try {
      const asked = {
        onDrain: () => this.#stop.abort('POST /drain'),
        onReload: () => this.#onReload?.()
      }
      const proxy = await Promise.race([create(asked), failure])
      this.#proxy = proxy
      if (stop.aborted) return proxy
      if (options.watch) {
        const onChange = (file: string) => this.#askReload(`${file} changed`)
        this.#watch = await FileWatch.open({ files: proxy.watched, since, onChange })
      }
      const { command, waitFor } = options
      const until = async () => {
        if (command === undefined || stop.aborted) return
        const services = await proxy.services()
        const endpoints = services.flatMap((service) => service.endpoints.map(({ url }) => url))
        return startService({ command, waitFor, waitTimeout, endpoints, log: this.#log }, stop, (service) => {
          this.#service = service
        })
      }
      await Promise.race([proxy.start(until), failure])
      return proxy
    } finally {
      ignore()
    }
  }

  /** One that is asked for during the start waits until that is over. */
  #askReload(cause: string): void {
    if (this.#reloads === undefined) this.#reloadCause = cause
    else this.#reloads.request(cause)
  }

  async #serve(proxy: Running): Promise<void> {
    const stop = this.#stop.signal
    if (stop.aborted) return
    this.#ignoreStray = surviveStrayErrors({ files: () => proxy.watched, log: this.#log })
    const told = new Map<string, string>()
    tellReady(proxy, told)
    const taken = (startedAt: number, succeeded: boolean) => {
      tellReady(proxy, told)
      void this.#watch?.update(proxy.watched, startedAt, !succeeded)
    }
    this.#onReload = () => taken(Date.now(), true)
    this.#reloads = new Reloads({
      reload: () => proxy.reload(),
      log: this.#log,
      onDone: (succeeded, startedAt) => taken(startedAt, succeeded)
    })
    if (this.#reloadCause !== undefined) this.#reloads.request(this.#reloadCause)
    if (!stop.aborted)
      await new Promise<void>((resolve) => stop.addEventListener('abort', () => resolve(), { once: true }))
    this.#reloads.stop()
  }

  async #end(proxy: Running): Promise<void> {
    this.#watch?.close()
    if (proxy.state === 'ready') {
      // Asked for before it begins, and waited for after: of several processes one may be slow to say.
      const { inFlight } = proxy
      const drained = proxy.drain()
      drained.catch(() => {})
      this.#log.info({ cause: this.#stop.signal.reason, inFlight: await inFlight }, 'draining')
      await drained
    }
    // The service is stopped last: what was in flight needed it.
    await this.#service?.stop(STOP_GRACE)
    await proxy.close()
    this.#log.info('ended')
  }

  #force(exitCode: number): void {
    this.#log.warn('ending at once')
    this.#service?.kill()
    const exit = () => process.exit(exitCode)
    // What it cuts is cut either way; this much it gets to take its sockets' files away.
    setTimeout(exit, 500)
    if (this.#proxy === undefined) exit()
    else this.#proxy.close().then(exit, exit)
  }
}

/** One line per listener that can be reached now and could not before, for whoever started the process to wait for. */
function tellReady(proxy: Running, told: Map<string, string>): void {
  for (const [name, address] of proxy.addresses) {
    if (told.get(name) === address) continue
    told.set(name, address)
    process.stdout.write(`ready ${name} ${address}\n`)
  }
}
