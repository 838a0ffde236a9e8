import type { BlockList } from 'node:net'
import type { Clock } from '../hooks/clock.js'
import type { Deadlines } from '../hooks/deadlines.js'
import type { Reply } from '../hooks/decisions.js'
import type { AttemptHooks, ExchangeHooks, UpgradeHooks } from '../hooks/hook-set.js'
import type { Logger } from '../hooks/plugin.js'
import type { RouteInfo } from '../hooks/types.js'
import type { Service } from '../service/service.js'
import type { Upgraded } from '../upgrade/upgraded.js'

/** What every exchange of the process shares. */
export interface Shared {
  readonly clock: Clock
  readonly deadlines: Deadlines
  readonly log: Logger
}

/** A route, compiled: all that an exchange needs to know of the configuration. */
export interface Pipeline {
  readonly route: RouteInfo
  readonly hooks: ExchangeHooks
  /** Undefined: an upgraded connection's bytes pass as they come. */
  readonly upgradeHooks: UpgradeHooks | undefined
  readonly service: Service | undefined
  /** Answered in place of a service. */
  readonly reply: Reply | undefined
  /** ms; Infinity for none */
  readonly timeout: number
  attemptHooks(service: Service): AttemptHooks
  serviceNamed(name: string): Service | undefined
  /** An exchange began; the configuration does not retire before it ends. */
  enter(): void
  leave(): void
}

/** What an exchange needs to know of where it came in. */
export interface Entry {
  readonly name: string
  readonly scheme: 'http' | 'https'
  /** ms that a client may pause within a body. */
  readonly bodyTimeout: number
  /** Answers say `connection: close`. */
  readonly draining: boolean
  /** Whose word on who asked is taken; undefined: nobody's. */
  readonly trusted: BlockList | undefined
  /** `Forwarded` is sent beside X-Forwarded-*. */
  readonly forwarded: boolean
  /** Under which name `Via` is sent, both ways. */
  readonly via: string | undefined
  readonly serverTiming: boolean
  /** What is under way is being cut: it is not its client that left. */
  readonly cutting: boolean
  /** Exchanges under way. */
  exchanges: number
  /** A connection of its own has changed protocols: it is told when to go. */
  upgraded(connection: Upgraded): void
  upgradeEnded(connection: Upgraded): void
}
