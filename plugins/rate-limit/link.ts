import type { RedisClientOptions, RedisFunctions, RedisModules, RedisScripts } from '@redis/client'
import type { Clock, ClockTimer, Logger } from '../../core/index.js'
import { SCRIPT, SCRIPT_SHA } from './script.js'
import { Waits } from './waits.js'

/** ms for a connection to be there, and as much again for Redis to take the password. */
const CONNECT_TIMEOUT = 500
/** ms between two tries to connect, at most. It doubles from the first. */
const LONGEST_PAUSE = 500
const FIRST_PAUSE = 25
/** ms for which nothing is asked after a failure, about. */
const REST = 1_000
/** ms for a trial. No request waits for it, and a machine that has just begun has much to do. */
const TRIAL_TIMEOUT = 100
/** Answers that may be outstanding, late ones among them. */
const MAX_OUTSTANDING = 4_096
/** Trials without any answer after which the connection is taken for dead. */
const DEAD_AFTER = 2

/** What of a Redis client is used here. */
interface Client {
  readonly isReady: boolean
  on(event: 'connect' | 'ready', listener: () => void): unknown
  on(event: 'error', listener: (error: Error) => void): unknown
  connect(): Promise<unknown>
  destroy(): void
  sendCommand(args: readonly string[]): Promise<unknown>
}

type ClientOptions = RedisClientOptions<RedisModules, RedisFunctions, RedisScripts, 2>
type MakeClient = (options: ClientOptions) => Client

interface LinkOptions {
  readonly url: string
  readonly make: MakeClient
  readonly clock: Clock
  readonly random: () => number
  readonly log: Logger
}

/**
 * A connection to a Redis that need not be there. While it is not `up` nothing is to be asked of it, so that nothing waits
 * for it: it finds out by itself, with a trial of the very script, when it may be asked again. So no request is the one
 * that tries.
 */
export class Link {
  readonly #options: LinkOptions
  readonly #trials: Waits
  readonly #greetings: Waits
  #client!: Client
  #isUp = false
  #isClosed = false
  /** What is told once and not each time. */
  #problem: string | undefined
  #rest: ClockTimer | undefined
  #isTrying = false
  #unanswered = 0
  #known!: () => void
  /** Resolves when it is known for the first time whether it can be asked. */
  readonly known: Promise<void>

  constructor(options: LinkOptions) {
    this.#options = options
    this.#trials = new Waits(options.clock, TRIAL_TIMEOUT)
    this.#greetings = new Waits(options.clock, CONNECT_TIMEOUT)
    this.known = new Promise((resolve) => {
      this.#known = resolve
    })
    this.#connect()
  }

  get isUp(): boolean {
    return this.#isUp
  }

  /** Runs the script. @param cost and `tolerance` in microseconds */
  async run(key: string, cost: string, tolerance: string): Promise<unknown> {
    const client = this.#client
    try {
      return await client.sendCommand(['EVALSHA', SCRIPT_SHA, '1', key, cost, tolerance])
    } catch (error) {
      // Somebody emptied the script cache.
      if (!(error instanceof Error) || !error.message.startsWith('NOSCRIPT')) throw error
      return client.sendCommand(['EVAL', SCRIPT, '1', key, cost, tolerance])
    }
  }

  /** A call failed: for about a second nothing more is asked, and then it is tried. */
  failed(problem: string): void {
    if (this.#isUp) this.#down(problem)
  }

  close(): void {
    this.#isClosed = true
    this.#isUp = false
    this.#rest?.cancel()
    this.#trials.close()
    this.#greetings.close()
    this.#client.destroy()
    this.#known()
  }

  #connect(): void {
    const { url, make, random } = this.#options
    const client = make({
      url,
      // Protocol 2 and no introductions: a user with rights to the script and its keys alone will do.
      RESP: 2,
      disableClientInfo: true,
      maintNotifications: 'disabled',
      // What cannot be asked now is answered without it, and not later.
      disableOfflineQueue: true,
      commandsQueueMaxLength: MAX_OUTSTANDING,
      // Its own timeout is a timer for each command.
      commandOptions: { timeout: 0 },
      socket: {
        connectTimeout: CONNECT_TIMEOUT,
        reconnectStrategy: (retries) =>
          Math.min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** Math.min(retries, 10)) * (0.5 + random() / 2)
      }
    })
    this.#client = client
    // Of the client's own timeouts none is for what it says first.
    let greeting: ReturnType<Waits['begin']> | undefined
    const greeted = () => {
      if (greeting !== undefined) this.#greetings.end(greeting)
      greeting = undefined
    }
    client.on('connect', () => {
      greeting = this.#greetings.begin(() => {
        if (client === this.#client) this.#renew()
      })
    })
    client.on('ready', () => {
      greeted()
      if (client === this.#client) this.#try()
    })
    client.on('error', (error) => {
      greeted()
      if (client === this.#client) this.#down(problemOf(error))
    })
    // It tries again by itself, and what went wrong was an 'error'.
    client.connect().catch(() => {})
  }

  /** In the background, so that no request waits for it. */
  #try(): void {
    if (this.#isClosed || this.#isTrying || !this.#client.isReady) return
    this.#isTrying = true
    const client = this.#client
    const trial = this.#trials.begin(() => {
      this.#isTrying = false
      if (++this.#unanswered < DEAD_AFTER) this.#down('it does not answer in time')
      else this.#renew()
    })
    client.sendCommand(['EVAL', SCRIPT, '1', TRIAL_KEY, '1', '0']).then(
      () => {
        this.#unanswered = 0
        if (this.#trials.end(trial)) this.#up()
      },
      (error) => {
        this.#unanswered = 0
        if (!this.#trials.end(trial)) return
        this.#isTrying = false
        this.#down(problemOf(error))
      }
    )
  }

  #up(): void {
    this.#isTrying = false
    this.#isUp = true
    this.#rest?.cancel()
    this.#rest = undefined
    if (this.#problem !== undefined) this.#options.log.info('the store of the rate limit can be asked again')
    this.#problem = undefined
    this.#known()
  }

  #down(problem: string): void {
    if (this.#isClosed) return
    const { clock, random, log } = this.#options
    this.#isUp = false
    if (this.#problem === undefined)
      log.warn({ problem }, 'the store of the rate limit cannot be asked: onStoreError holds until it can')
    this.#problem = problem
    this.#known()
    // Proxies that lost it together should not come back together.
    this.#rest ??= clock.setTimeout(
      () => {
        this.#rest = undefined
        this.#try()
      },
      REST * (0.75 + random() / 2)
    )
  }

  /** Nothing comes back any more: such a connection can stay open for a quarter of an hour. */
  #renew(): void {
    if (this.#isClosed) return
    this.#unanswered = 0
    const old = this.#client
    this.#connect()
    old.destroy()
    this.#down('it does not answer')
  }
}

const TRIAL_KEY = 'outrigger:rate:trial'

/** Node puts the reason of two failed addresses behind an empty message. */
function problemOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  const { message, code, name } = error as Error & { code?: string }
  return message === '' ? (code ?? name) : message
}
