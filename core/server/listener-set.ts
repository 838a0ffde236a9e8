import type { ListenerConfig } from '../config/types.js'
import { Listener, type ListenerParts } from './listener.js'

type Listeners = ReadonlyMap<string, ListenerConfig>

/** A proxy's listeners, and what becomes of them when a configuration changes. */
export class ListenerSet {
  readonly #open = new Map<string, Listener>()
  /** Those that end in their own time, too. */
  readonly #all = new Set<Listener>()
  readonly #addresses: Map<string, string>
  readonly #parts: ListenerParts
  readonly #background: (work: Promise<void>) => void

  /**
   * @param addresses kept up to date with where each listener can be reached
   * @param background takes work that nobody waits for
   */
  constructor(
    addresses: Map<string, string>,
    parts: ListenerParts,
    background: (work: Promise<void>) => void
  ) {
    this.#addresses = addresses
    this.#parts = parts
    this.#background = background
  }

  /**
   * Opens what is not open and changes what has changed; all of it or none.
   *
   * @throws StartError; then each listener is as it was
   */
  async take(configs: Listeners): Promise<void> {
    const opened: Listener[] = []
    const freed: Listener[] = []
    const adopted: [Listener, ListenerConfig][] = []
    try {
      for (const config of configs.values()) {
        const running = this.#open.get(config.name)
        const before = running?.config
        if (running !== undefined && before !== undefined && (await running.adopt(config))) {
          adopted.push([running, before])
          continue
        }
        if (running !== undefined && sameAddress(running.config, config)) {
          // The address must be free before it can be bound anew; open connections end in their own time.
          this.#background(this.#drain(running))
          freed.push(running)
        }
        opened.push(await Listener.open(config, this.#parts))
      }
    } catch (error) {
      await Promise.all(opened.map((listener) => listener.close()))
      for (const [listener, before] of adopted) await listener.adopt(before)
      for (const { config } of freed) this.#put(await Listener.open(config, this.#parts))
      throw error
    }
    for (const listener of opened) {
      const before = this.#open.get(listener.name)
      this.#put(listener)
      if (before !== undefined && !before.draining) this.#background(this.#drain(before))
    }
  }

  /** Lets go of those that a configuration no longer has; what they have under way ends. */
  drop(configs: Listeners): void {
    for (const [name, listener] of this.#open) {
      if (configs.has(name)) continue
      this.#open.delete(name)
      this.#addresses.delete(name)
      this.#background(this.#drain(listener))
    }
  }

  /** All of them accept no more; resolves when every connection has ended. */
  async drain(): Promise<void> {
    await Promise.all([...this.#open.values()].map((listener) => this.#drain(listener)))
  }

  /** Whether nothing is under way but upgraded connections. */
  get quiet(): boolean {
    return [...this.#all].every((listener) => listener.quiet)
  }

  /** Upgraded connections are told to end. */
  goAway(): void {
    for (const listener of this.#all) listener.goAway()
  }

  /** Cuts what is left. */
  async close(): Promise<void> {
    await Promise.all([...this.#all].map((listener) => listener.close()))
  }

  async #drain(listener: Listener): Promise<void> {
    await listener.drain()
    this.#all.delete(listener)
  }

  #put(listener: Listener): void {
    this.#open.set(listener.name, listener)
    this.#all.add(listener)
    this.#addresses.set(listener.name, listener.url)
  }
}

function sameAddress(a: ListenerConfig, b: ListenerConfig): boolean {
  return JSON.stringify(a.address) === JSON.stringify(b.address)
}
