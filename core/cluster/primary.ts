import cluster from 'node:cluster'
import { NobodyServes } from '../admin/admin.js'
import { readOnce } from '../config/read-source.js'
import type { Config } from '../config/types.js'
import { Pace } from '../hooks/pace.js'
import type { ProxyLogger } from '../log/logger.js'
import { MergedMetrics } from '../metrics/merge.js'
import type { Reading } from '../metrics/reading.js'
import { changedAtStart } from '../server/at-start.js'
import { type Admin, openAdmin } from '../server/open-admin.js'
import { type PluginView, type Proxy, type RouteView, type ServiceView, StartError } from '../server/types.js'
import { Crew } from './crew.js'
import { CrewMetrics } from './crew-metrics.js'
import type { Member } from './member.js'
import { mergeRoutes, mergeServices } from './merge-views.js'
import type { Facts } from './protocol.js'
import { reloadCrew } from './rolling.js'

export interface PrimaryOptions {
  /** The program to start again, and its arguments: it finds its seat in the environment. */
  readonly program: { readonly file: string; readonly args: readonly string[] }
  /** The configuration's. */
  readonly file: string
  readonly config: Config
  readonly log: ProxyLogger
  readonly verbose: boolean
  /** POST /drain was called. */
  onDrain(): void
  /** POST /reload has taken up a configuration. */
  onReload(): void
}

/** ms that one process may take to answer what the admin asks. One that is slower is left out of that answer. */
const ANSWER = 3_000
/** ms on top of the drain's own time, after which a process is killed. */
const DRAIN_GRACE = 5_000
/** ms that a process that takes another's place may take for a reload. */
const JOIN = 30_000
/** ms to close at once. */
const CLOSE = 2_000

/**
 * The process that proxies nothing: it owns the addresses, hands each new connection to the next of the processes that
 * serve, replaces what dies of them, and is their admin.
 */
export class Primary {
  readonly addresses = new Map<string, string>()
  readonly #options: PrimaryOptions
  readonly #log: ProxyLogger
  readonly #crew: Crew
  readonly #metrics: CrewMetrics
  readonly #merged = new MergedMetrics<Member>()
  #state: Proxy['state'] = 'new'
  #facts!: Facts
  /** Of the configuration that runs: who takes a dead one's place has the same. Undefined: a module. */
  #text: string | undefined
  #admin: Admin | undefined
  #changing: Promise<void> = Promise.resolve()
  #draining: Promise<void> | undefined
  #closing: Promise<void> | undefined

  private constructor(options: PrimaryOptions) {
    this.#options = options
    this.#log = options.log
    this.#log.level = options.verbose ? 'debug' : options.config.log.level
    this.#crew = new Crew({
      of: options.config.processes,
      log: options.log,
      text: () => this.#text,
      onEnd: (member) => this.#merged.end(member),
      onBuilt: (member, facts, serve) => this.#inTurn(() => this.#join(member, facts, serve))
    })
    this.#metrics = new CrewMetrics(this.#crew, options.log)
  }

  /**
   * Starts the processes. Nothing is bound before `start()`.
   *
   * @throws ConfigError, StartError of the first process that cannot build its configuration
   */
  static async build(options: PrimaryOptions): Promise<Primary> {
    cluster.setupPrimary({ exec: options.program.file, args: [...options.program.args] })
    const primary = new Primary(options)
    primary.#text = await textIn(options.file)
    primary.#facts = await primary.#crew.build()
    return primary
  }

  /** Ready while one process serves. */
  get state(): Proxy['state'] {
    return this.#state === 'ready' && this.#crew.serving.length === 0 ? 'new' : this.#state
  }

  get watched(): readonly string[] {
    return this.#facts.watched
  }

  get inFlight(): Promise<number> {
    return this.#each((member) => member.ask('inFlight', ANSWER)).then((all) =>
      all.reduce((sum, inFlight) => sum + inFlight, 0)
    )
  }

  async start(until?: () => Promise<unknown>): Promise<void> {
    const { admin } = this.#options.config
    try {
      this.#facts = await this.#crew.start()
      for (const [name, address] of this.#facts.addresses) this.addresses.set(name, address)
      if (admin !== undefined) {
        const { onDrain, onReload } = this.#options
        const options = { proxy: this, onDrain, onReload, log: this.#log }
        this.#admin = await openAdmin(options, admin.address, this.addresses)
      }
    } catch (error) {
      await this.close()
      throw error
    }
    if (until !== undefined) await until()
    if (this.#state === 'new') this.#state = 'ready'
    if (admin !== undefined) await this.#metrics.load()
  }

  /** One process after the other. @throws ConfigError, StartError; then all run what they ran before */
  reload(): Promise<void> {
    return this.#inTurn(() => this.#reload())
  }

  /** One after the other: none may come to serve while the others change. */
  #inTurn(change: () => Promise<void>): Promise<void> {
    const changed = this.#changing.then(change)
    this.#changing = changed.catch(() => {})
    return changed
  }

  async #reload(): Promise<void> {
    if (this.#state === 'draining' || this.#state === 'closed')
      throw new StartError(`the proxy is ${this.#state}: it takes no new configuration`)
    const before = this.#facts
    try {
      const text = await textIn(this.#options.file)
      this.#facts = await reloadCrew(this.#crew.serving, text, this.#text, this.#log)
      this.#text = text
    } catch (error) {
      this.#metrics.reloadFailures.inc()
      throw error
    }
    this.#metrics.reloads.inc()
    if (!this.#options.verbose) this.#log.level = this.#facts.level
    for (const what of changedAtStart(before, this.#facts)) this.#log.warn(what)
    const bound = new Map(this.#facts.addresses)
    for (const name of [...this.addresses.keys()])
      if (name !== 'admin' && !bound.has(name)) this.addresses.delete(name)
    for (const [name, address] of bound) this.addresses.set(name, address)
  }

  drain(): Promise<void> {
    this.#draining ??= this.#drain()
    return this.#draining
  }

  async #drain(): Promise<void> {
    if (this.#state === 'closed') return
    this.#state = 'draining'
    await this.#crew.end('drain', this.#facts.drainTimeout + DRAIN_GRACE)
    await this.close()
  }

  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    this.#state = 'closed'
    await this.#crew.end('close', CLOSE)
    await this.#admin?.close()
    this.addresses.clear()
  }

  async routes(): Promise<RouteView[]> {
    return mergeRoutes(await this.#asked((member) => member.ask('routes', ANSWER)))
  }

  async services(): Promise<ServiceView[]> {
    return mergeServices(await this.#asked((member) => member.ask('services', ANSWER)))
  }

  /** The same in each process. */
  async plugins(): Promise<PluginView[]> {
    return (await this.#asked((member) => member.ask('plugins', ANSWER)))[0] as PluginView[]
  }

  config(): unknown {
    return this.#facts.config
  }

  async metrics(): Promise<{ text: string; contentType: string }> {
    await this.#each(async (member) => {
      const readings = (await member.askParts<Reading[]>('metrics', ANSWER)).flat()
      // What it had counted is among that of the ended ones already.
      if (member.alive) this.#merged.put(member, readings)
    })
    return this.#metrics.text(this.#merged)
  }

  /** @throws NobodyServes when none answers */
  async #asked<T>(ask: (member: Member) => Promise<T>): Promise<T[]> {
    const answers = await this.#each(ask)
    if (answers.length === 0) throw new NobodyServes('no process answers')
    return answers
  }

  /** Of all that serve, or still do something: what those answer that answer in time. */
  async #each<T>(ask: (member: Member) => Promise<T>): Promise<T[]> {
    const told = await Promise.allSettled(this.#crew.members.filter(({ bound }) => bound).map(ask))
    return told.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []))
  }

  /** A process that takes another's place may have been given what a reload has changed since; a module it has read itself. */
  async #join(member: Member, built: Facts, serve: () => Promise<Facts>): Promise<void> {
    const differs = (facts: Facts) => JSON.stringify(facts.config) !== JSON.stringify(this.#facts.config)
    const { number } = member.seat
    let facts = built
    if (member.text !== this.#text || differs(facts)) facts = await member.reload(this.#text, JOIN)
    if (differs(facts))
      this.#log.error(
        { process: number },
        `process ${number} begins with the configuration as it is on disk, which the others have not taken up: a reload makes them one`
      )
    this.#compareAddresses(member, await serve())
  }

  #compareAddresses({ seat: { number } }: Member, { addresses }: Facts): void {
    for (const [name, address] of addresses) {
      const known = this.addresses.get(name)
      if (known === undefined || known === address) continue
      this.#log.error(
        { process: number, listener: name },
        `process ${number} listens on ${address} and not on ${known}: port 0 is another one each time; name a port`
      )
    }
  }
}

async function textIn(file: string): Promise<string | undefined> {
  return (await readOnce(file, new Pace()))?.text
}
