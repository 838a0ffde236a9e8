import type { Duplex } from 'node:stream'
import type { ProxyError } from '../errors.js'
import { MessageTunnel } from '../upgrade/message-tunnel.js'
import { Tunnel } from '../upgrade/tunnel.js'
import type { Upgraded, UpgradedEnd, UpgradedOwner } from '../upgrade/upgraded.js'
import type { AttemptState } from './attempt.js'
import type { Lifecycle } from './lifecycle.js'

const EMPTY = Buffer.alloc(0)

/** What an exchange becomes once both sides have agreed to change protocols. It ends when that connection does. */
export class UpgradedExchange implements UpgradedOwner {
  bytesIn = 0
  bytesOut = 0
  /** Known once it has ended. */
  how: UpgradedEnd | undefined
  error: ProxyError | undefined
  readonly #exchange: Lifecycle
  readonly #attempt: AttemptState
  readonly #connection: Upgraded

  /** @param idleTimeout ms */
  constructor(
    exchange: Lifecycle,
    attempt: AttemptState,
    client: Duplex,
    upstream: Duplex,
    idleTimeout: number
  ) {
    this.#exchange = exchange
    this.#attempt = attempt
    const parts = {
      client,
      upstream,
      clientHead: EMPTY,
      upstreamHead: EMPTY,
      idleTimeout,
      deadlines: exchange.deadlines,
      owner: this
    }
    const hooks = exchange.pipeline.upgradeHooks
    const protocol = attempt.responseHeaders?.get('sec-websocket-protocol') ?? ''
    this.#connection =
      hooks === undefined
        ? new Tunnel({ ...parts, websocket: true })
        : new MessageTunnel({ ...parts, hooks, exchange, protocol })
  }

  start(): void {
    this.#exchange.entry.upgraded(this.#connection)
    this.#connection.start()
  }

  closed(bytesIn: number, bytesOut: number, how: UpgradedEnd, error: ProxyError | undefined): void {
    this.bytesIn = bytesIn
    this.bytesOut = bytesOut
    this.how = how
    this.error = error
    this.#exchange.entry.upgradeEnded(this.#connection)
    const { shared, route } = this.#exchange
    if (how !== 'complete') shared.log.debug({ route: route.name, how }, 'an upgraded connection ended')
    this.#attempt.conclude()
    this.#exchange.closed()
  }
}
