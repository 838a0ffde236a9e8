import { createHash, createHmac } from 'node:crypto'
import { setImmediate } from 'node:timers/promises'
import {
  type Attempt,
  type CounterCell,
  type Endpoint,
  type Exchange,
  readCookie,
  type ServiceHandle
} from '../../core/index.js'
import { byList } from './by-list.js'
import type { LoadBalancerConfig } from './config.js'

/** Bytes of the MAC that go into the cookie: 128 bits. */
const MAC_BYTES = 16
/** Cookies made between two pauses at load. */
const BATCH = 100

/** How requests found the endpoint of their session. */
export interface AffinityPicks {
  /** The cookie's endpoint. */
  readonly kept: CounterCell
  /** The cookie's endpoint was not to be had. */
  readonly moved: CounterCell
  /** There was no cookie, or one that names no endpoint. */
  readonly started: CounterCell
}

/**
 * Keeps a client with one endpoint by a cookie whose value is an HMAC-SHA256 of service and URL: it tells nothing, cannot be
 * made up without the key, and is the same after a restart and on each proxy that has the key.
 */
export class Affinity {
  readonly #service: ServiceHandle
  readonly #cookie: string
  /** What follows the value. */
  readonly #attributes: string
  readonly #key: Buffer
  readonly #picks: AffinityPicks
  readonly #values = new WeakMap<Endpoint, string>()
  readonly #endpoints = new Map<string, Endpoint>()
  readonly #members = byList((endpoints) => new Set(endpoints))
  /** The list that the map is of. */
  #source: readonly Endpoint[] | undefined

  constructor(
    service: ServiceHandle,
    { cookie, ttl, secret }: NonNullable<LoadBalancerConfig['affinity']>,
    picks: AffinityPicks
  ) {
    this.#service = service
    this.#cookie = cookie
    this.#attributes = `; Path=/; HttpOnly; SameSite=Lax${ttl > 0 ? `; Max-Age=${Math.ceil(ttl / 1000)}` : ''}`
    this.#key = createHash('sha256')
      .update(secret === undefined ? `outrigger affinity of ${service.name}` : secret)
      .digest()
    this.#picks = picks
  }

  /** Makes the cookie of each endpoint. */
  async start(): Promise<void> {
    let made = 0
    for (const endpoint of this.#service.endpoints) {
      this.#valueOf(endpoint)
      if (++made % BATCH === 0) await setImmediate()
    }
  }

  /** The endpoint that the client's cookie names. */
  named({ request }: Exchange): Endpoint | undefined {
    if (this.#service.endpoints !== this.#source) this.#keepUp()
    const value = readCookie(request.headers, this.#cookie)
    return value === undefined ? undefined : this.#endpoints.get(value)
  }

  /** The same, where it is one of these. */
  pick(endpoints: readonly Endpoint[], exchange: Exchange): Endpoint | undefined {
    const endpoint = this.named(exchange)
    if (endpoint === undefined) {
      this.#picks.started.inc()
      return undefined
    }
    const among = Object.isFrozen(endpoints)
      ? this.#members(endpoints).has(endpoint)
      : endpoints.includes(endpoint)
    // One of weight 0 is being emptied.
    const usable = among && endpoint.weight > 0
    if (usable) this.#picks.kept.inc()
    else this.#picks.moved.inc()
    return usable ? endpoint : undefined
  }

  /** Gives the client the cookie of the endpoint that served it, unless it has it already. */
  answered(attempt: Attempt, exchange: Exchange): void {
    const { endpoint, status, error, reason, responseHeaders } = attempt
    if (error !== undefined || status === undefined || status >= 500) return
    // One late answer is no reason to move a session.
    if (reason === 'hedge' && isIn(this.named(exchange))) return
    const { request } = exchange
    const value = this.#valueOf(endpoint)
    if (readCookie(request.headers, this.#cookie) === value) return
    const secure = request.scheme === 'https' ? '; Secure' : ''
    responseHeaders?.append('set-cookie', `${this.#cookie}=${value}${this.#attributes}${secure}`)
  }

  #valueOf(endpoint: Endpoint): string {
    let value = this.#values.get(endpoint)
    if (value === undefined) {
      const mac = createHmac('sha256', this.#key).update(`${endpoint.service}\n${endpoint.url}`).digest()
      value = mac.subarray(0, MAC_BYTES).toString('base64url')
      this.#values.set(endpoint, value)
    }
    return value
  }

  #keepUp(): void {
    const { endpoints } = this.#service
    this.#source = endpoints
    this.#endpoints.clear()
    for (const endpoint of endpoints) this.#endpoints.set(this.#valueOf(endpoint), endpoint)
  }
}

function isIn(endpoint: Endpoint | undefined): boolean {
  return endpoint?.healthy === true && endpoint.ejectedUntil === 0 && endpoint.breaker === 'closed'
}
