import cluster, { type Worker } from 'node:cluster'
import { failOnStrayErrors, surviveStrayErrors } from '../cli/stray.js'
import { FileText } from '../config/file-text.js'
import type { Config } from '../config/types.js'
import type { Host } from '../host.js'
import { createLogger, type ProxyLogger } from '../log/logger.js'
import type { Exposed } from '../metrics/exposition.js'
import { type Reading, read } from '../metrics/reading.js'
import { type PreparedProxy, prepareProxy } from '../server/create.js'
import type { ProxyServer } from '../server/proxy.js'
import {
  type Answers,
  type Ask,
  type Beginning,
  type Facts,
  FIRST,
  isOurs,
  LISTENING,
  plainError,
  type Question,
  RELOAD_FAILURES,
  RELOADS
} from './protocol.js'
import { type Seat, shareOf } from './share.js'

export interface ServeOptions {
  readonly host: Host
  readonly file: string
  readonly verbose: boolean
  readonly seat: Seat
}

/**
 * One of several processes: serves, and does what its primary asks of it. Resolves when it has been told to end and has
 * ended, or when the primary is gone and what was under way has ended.
 */
export async function serve({ host, file, verbose, seat }: ServeOptions): Promise<void> {
  const log = createLogger({ verbose }).child({ process: seat.number })
  const primary = cluster.worker as Worker
  const gone = new Promise<void>((resolve) => {
    primary.once('disconnect', () => {
      // Or Node would end this process at once, with what is under way.
      primary.exitedAfterDisconnect = true
      resolve()
    })
  })
  const options = { log, ...(verbose ? { logLevel: 'debug' as const } : {}) }
  const { failure, ignore } = failOnStrayErrors()
  let crewman: Crewman
  try {
    const prepare = beginning().then(async ({ text }) => {
      const prepared = await prepareProxy(host, sourceOf(file, text), options)
      return Crewman.build(prepared, { file, seat, log })
    })
    const built = await Promise.race([prepare, failure, gone])
    if (built === undefined) return
    crewman = built
  } catch (error) {
    await send({ outrigger: FIRST, error: plainError(error) })
    process.exitCode = 1
    if (process.connected) process.disconnect()
    return
  } finally {
    ignore()
  }
  const forgetStray = surviveStrayErrors({ files: () => crewman.proxy.watched, log })
  const ended = crewman.work()
  await send({ outrigger: FIRST, value: crewman.facts() })
  await Promise.race([ended, gone.then(() => crewman.drainAlone())])
  forgetStray()
  if (process.connected) process.disconnect()
}

/** What a process does for its primary. */
class Crewman {
  readonly proxy: ProxyServer
  readonly #file: string
  readonly #log: ProxyLogger
  /** By what this process made of it, each configuration as it was read. */
  readonly #asRead: WeakMap<Config, Config>
  /** What a reload has put away, until it is settled. */
  #before: Config | undefined

  private constructor(proxy: ProxyServer, file: string, log: ProxyLogger, asRead: WeakMap<Config, Config>) {
    this.proxy = proxy
    this.#file = file
    this.#log = log
    this.#asRead = asRead
  }

  static async build(
    prepared: PreparedProxy,
    { file, seat, log }: { file: string; seat: Seat; log: ProxyLogger }
  ): Promise<Crewman> {
    const asRead = new WeakMap<Config, Config>()
    const proxy = await prepared.build((config) => {
      const share = shareOf(config, seat)
      asRead.set(share, config)
      return share
    })
    return new Crewman(proxy, file, log, asRead)
  }

  facts(): Facts {
    const { current } = this.proxy
    const { admin, processes, log, drainTimeout } = this.#asRead.get(current) as Config
    return {
      config: current.masked,
      watched: current.watched,
      addresses: [...this.proxy.addresses],
      admin,
      processes,
      drainTimeout,
      level: log.level
    }
  }

  /** Answers what is asked; resolves once told to end, and ended. */
  work(): Promise<void> {
    return new Promise((resolve) => {
      process.on('message', (message) => {
        if (!isOurs(message)) return
        const question = message as Question
        const { ask } = question
        void this.#answer(question).then(() => {
          if (ask === 'drain' || ask === 'close') resolve()
        })
      })
    })
  }

  /** Nobody is there any more to be asked by. */
  async drainAlone(): Promise<void> {
    if (this.proxy.state === 'closed') return
    this.#log.error({ inFlight: this.proxy.inFlight }, 'the primary process is gone: draining')
    await this.proxy.drain()
  }

  async #answer({ outrigger: id, ask, text }: Question): Promise<void> {
    try {
      await send({ outrigger: id, value: await this.#do(ask, text, (part) => send({ outrigger: id, part })) })
    } catch (error) {
      await send({ outrigger: id, error: plainError(error) })
    }
  }

  async #do(
    ask: Ask,
    text: string | undefined,
    give: (part: unknown) => Promise<void>
  ): Promise<Answers[Ask]> {
    const { proxy } = this
    switch (ask) {
      case 'start':
        await proxy.start()
        return this.facts()
      case 'reload': {
        const before = proxy.current
        await proxy.reload(sourceOf(this.#file, text))
        this.#before = before
        return this.facts()
      }
      case 'restore':
        if (this.#before !== undefined) await proxy.restore(this.#before)
        this.#before = undefined
        return this.facts()
      case 'settle':
        this.#before = undefined
        return null
      case 'drain':
        await proxy.drain()
        return null
      case 'close':
        await proxy.close()
        return null
      case 'metrics':
        for (const part of inParts(await proxy.exposed())) await give(part)
        return null
      case 'inFlight':
        return proxy.inFlight
      case 'services':
        return proxy.services()
      case 'routes':
        return proxy.routes()
      case 'plugins':
        return proxy.plugins()
    }
  }
}

function beginning(): Promise<Beginning> {
  return new Promise((resolve) => {
    const hear = (message: unknown) => {
      if (!isOurs(message) || message.outrigger !== LISTENING) return
      process.off('message', hear)
      resolve(message as Beginning)
    }
    process.on('message', hear)
    void send({ outrigger: LISTENING })
  })
}

/** @param text undefined: the file is a module */
function sourceOf(file: string, text: string | undefined): string | FileText {
  return text === undefined ? file : new FileText(file, text)
}

/** Series in one message. */
const PART = 1000

function* inParts(metrics: readonly Exposed[]): Generator<Reading[]> {
  let part: Reading[] = []
  let size = 0
  for (const metric of metrics) {
    if (metric.name === RELOADS || metric.name === RELOAD_FAILURES) continue
    for (const reading of read(metric)) {
      part.push(reading)
      size += reading.series.length
      if (size < PART) continue
      yield part
      part = []
      size = 0
    }
  }
  yield part
}

/** Resolves when it is written, or when there is nobody to read it. */
function send(message: object): Promise<void> {
  return new Promise((resolve) => {
    if (process.send === undefined || !process.connected) resolve()
    else process.send(message, undefined, undefined, () => resolve())
  })
}
