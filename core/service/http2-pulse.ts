/** ms. Tests have shorter ones. */
export interface SessionTiming {
  /** Of silence before a PING. */
  readonly pingAfter: number
  /** For its answer. */
  readonly pingTimeout: number
  /** Between PINGs once `MAX_STRIKES` of them brought nothing but their answers. */
  readonly pingRest: number
  /** Least time that an idle session is kept. */
  readonly idle: number
}

export const TIMING: SessionTiming = {
  // A session that Node has given up without a word (Node 20, after a frame that breaks the protocol) is told by this.
  pingAfter: 3_000,
  pingTimeout: 5_000,
  pingRest: 330_000,
  idle: 60_000
}

/**
 * PINGs in a row that gRPC's servers put up with while they send nothing themselves. More of them within 5 min, and they
 * end the connection with too_many_pings (gRPC's keepalive.md); without a stream, more within 2 h.
 */
const MAX_STRIKES = 3

/** ms between looks. */
const LOOK = 1_000

/** ms by which a look may come late before it says more of us than of the peer. */
const HELD_UP = 1_000

/** What is looked after: one session. */
export interface Pulsing {
  /** Streams. */
  readonly open: number
  /** Grows with all that the peer sends on streams. */
  readonly heard: number
  /** It takes no more requests. */
  readonly leaving: boolean
  /** Calls back when it is answered. */
  ping(answered: () => void): void
  /** A PING was not answered. */
  lost(): void
  /** Nobody uses it, and nobody is to. */
  idled(): void
}

/** One timer for a session: it finds a peer that is gone without a word, and a session that nobody uses. */
export class Pulse {
  readonly #session: Pulsing
  readonly #timing: SessionTiming
  readonly #timer: NodeJS.Timeout
  /** ms */
  readonly #every: number
  #heard: number
  /** Since when there is nothing but, at most, answers to PINGs. */
  #quietSince: number
  #idleSince: number
  #lookedAt: number
  #pingedAt = Number.NEGATIVE_INFINITY
  #pinged = false
  #strikes = 0

  constructor(session: Pulsing, timing: SessionTiming) {
    this.#session = session
    this.#timing = timing
    this.#heard = session.heard
    this.#quietSince = this.#idleSince = this.#lookedAt = performance.now()
    this.#every = Math.min(LOOK, timing.pingTimeout)
    this.#timer = setInterval(() => this.#look(), this.#every).unref()
  }

  /** Its last stream has ended. */
  rest(): void {
    this.#idleSince = performance.now()
  }

  stop(): void {
    clearInterval(this.#timer)
  }

  #look(): void {
    const session = this.#session
    const { idle, pingAfter, pingRest, pingTimeout } = this.#timing
    const now = performance.now()
    const late = now - this.#lookedAt - this.#every
    this.#lookedAt = now
    if (session.heard !== this.#heard) {
      this.#heard = session.heard
      this.#quietSince = now
      this.#strikes = 0
      this.#pinged = false
    }
    if (session.open === 0 && (session.leaving || now - this.#idleSince >= idle)) {
      session.idled()
    } else if (this.#pinged) {
      // The answer may be there, behind whatever kept us from reading it.
      if (late < HELD_UP && now - this.#pingedAt >= pingTimeout) session.lost()
    } else if (now - Math.max(this.#quietSince, this.#pingedAt) >= pingAfter) {
      if (this.#strikes < MAX_STRIKES || (session.open > 0 && now - this.#pingedAt >= pingRest))
        this.#ping(now)
    }
  }

  #ping(now: number): void {
    this.#strikes++
    this.#pinged = true
    this.#pingedAt = now
    this.#session.ping(() => {
      this.#pinged = false
    })
  }
}
