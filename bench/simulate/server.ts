import { ProxyError } from '../../core/errors.js'
import type { Call, Connection, UpstreamListener, UpstreamRequest } from '../../core/service/connection.js'
import type { Distribution } from './distribution.js'
import { type EventClock, Happening } from './event-clock.js'
import type { Random } from './random.js'

/** What is wrong with a server, and when. */
export interface Fault {
  /**
   * `error`: it answers `status` at once, and does no work. `refuse`: it takes no connections. `hang`: it takes requests
   * and never answers. `slow`: all it does takes `factor` times as long.
   */
  readonly kind: 'error' | 'refuse' | 'hang' | 'slow'
  /** ms. Default: from the start, and for ever. */
  readonly from?: number
  readonly to?: number
  /** Of its requests, the part that meets it. Default 1. */
  readonly share?: number
  /** Default 503. */
  readonly status?: number
  /** ms that an `error` takes. Default 1. */
  readonly after?: number
  /** Of `slow`. Default 10. */
  readonly factor?: number
}

export interface ServerPlan {
  readonly url: string
  readonly zone?: string
  /** Requests that are worked on at once. */
  readonly workers: number
  /** Requests that wait for a worker; past them it answers 503. */
  readonly queue: number
  /** Of a worker, for one request. */
  readonly time: Distribution
  /** How many times faster than `time` says. Default 1. */
  readonly speed?: number
  readonly faults?: readonly Fault[]
  /**
   * Requests whose caller has left are taken out of the queue. Default false: most servers never look, and work on what
   * nobody waits for. What has begun is finished either way.
   */
  readonly noticesLeaving?: boolean
}

/** One simulated endpoint: workers, and a queue before them that is served in its order. */
export class Server {
  readonly plan: ServerPlan
  /** Requests that came, those that a fault ended among them. */
  received = 0
  /** Requests that were worked on to their end. */
  served = 0
  /** Of these, such as nobody waited for any more. */
  wasted = 0
  /** Turned away because the queue was full. */
  overflowed = 0
  /** ms that workers worked. */
  busyTime = 0
  /** ms that what was worked on had waited for a worker. */
  waited = 0
  readonly #clock: EventClock
  readonly #random: Random
  readonly #queue: Job[] = []
  #head = 0
  #working = 0

  constructor(plan: ServerPlan, clock: EventClock, random: Random) {
    this.plan = plan
    this.#clock = clock
    this.#random = random
  }

  /** Requests that wait for a worker. */
  get waiting(): number {
    return this.#queue.length - this.#head
  }

  /** The way of one proxy to it. @param roundTrip ms that a request and its answer are under way */
  connect(roundTrip: number): Connection {
    return {
      send: (_request: UpstreamRequest, listener: UpstreamListener) => {
        const job = new Job(this, this.#clock, listener, roundTrip)
        this.#receive(job)
        return job
      },
      resize: () => {},
      close: () => {},
      destroy: () => {}
    }
  }

  /**
   * Taken at once, and its way here and back is all added to its answer's: what one proxy sends keeps its order, so that
   * nothing differs but the time at which a fault begins, by half a round trip.
   */
  #receive(job: Job): void {
    this.received++
    const fault = this.#fault()
    switch (fault?.kind) {
      case 'error':
        job.answerAfter(fault.after ?? 1, fault.status ?? 503)
        return
      case 'refuse':
        job.sent = false
        job.answerAfter(0, REFUSED)
        return
      case 'hang':
        return
    }
    if (this.#working < this.plan.workers) this.#begin(job)
    else if (this.waiting < this.plan.queue) this.#queue.push(job)
    else {
      this.overflowed++
      job.answerAfter(0, 503)
    }
  }

  #begin(job: Job): void {
    const { time, speed = 1 } = this.plan
    this.#working++
    this.waited += this.#clock.now() - job.receivedAt
    const fault = this.#slowness()
    const ms = (time.draw(this.#random) / speed) * fault
    this.busyTime += ms
    job.workFor(ms)
  }

  /** A worker is done. */
  finished(job: Job): void {
    this.#working--
    this.served++
    if (job.left) this.wasted++
    const next = this.#takeNext()
    if (next !== undefined) this.#begin(next)
  }

  #takeNext(): Job | undefined {
    const queue = this.#queue
    while (this.#head < queue.length) {
      const job = queue[this.#head++] as Job
      // Shifting one by one would cost the length of the queue each time.
      if (this.#head > 1024 && this.#head * 2 > queue.length) {
        queue.splice(0, this.#head)
        this.#head = 0
      }
      if (!(job.left && this.plan.noticesLeaving === true)) return job
    }
    queue.length = 0
    this.#head = 0
    return undefined
  }

  #fault(): Fault | undefined {
    const { faults } = this.plan
    if (faults === undefined) return undefined
    for (const fault of faults) if (fault.kind !== 'slow' && this.#isOn(fault)) return fault
    return undefined
  }

  #slowness(): number {
    let factor = 1
    for (const fault of this.plan.faults ?? [])
      if (fault.kind === 'slow' && this.#isOn(fault)) factor *= fault.factor ?? 10
    return factor
  }

  #isOn({ from = 0, to = Number.POSITIVE_INFINITY, share = 1 }: Fault): boolean {
    const now = this.#clock.now()
    return now >= from && now < to && (share >= 1 || this.#random() < share)
  }
}

/** In place of a status. */
const REFUSED = 0

/** One request at a server. It happens twice: when the work is done, and when the answer arrives. */
class Job extends Happening implements Call {
  sent = true
  readonly stale = false
  readonly httpVersion = '1.1'
  readonly receivedAt: number
  /** Nobody waits for the answer. */
  left = false
  readonly #server: Server
  readonly #clock: EventClock
  readonly #listener: UpstreamListener
  readonly #roundTrip: number
  #status = 200
  #phase: 'waiting' | 'working' | 'answering' | 'held' | 'over' = 'waiting'

  constructor(server: Server, clock: EventClock, listener: UpstreamListener, roundTrip: number) {
    super()
    this.#server = server
    this.#clock = clock
    this.#listener = listener
    this.#roundTrip = roundTrip
    this.receivedAt = clock.now()
  }

  workFor(ms: number): void {
    this.#phase = 'working'
    this.#clock.plan(this, ms)
  }

  answerAfter(ms: number, status: number): void {
    this.#status = status
    this.#phase = 'answering'
    this.#clock.plan(this, ms + this.#roundTrip)
  }

  override happen(): void {
    if (this.#phase === 'working') {
      this.#server.finished(this)
      if (this.left) this.#phase = 'over'
      else if (this.#roundTrip > 0) this.answerAfter(0, this.#status)
      else this.#answer()
    } else if (this.#phase === 'answering') this.#answer()
    else if (this.#phase === 'held') this.#end()
  }

  #answer(): void {
    const listener = this.#listener
    this.#phase = 'held'
    if (this.#status === REFUSED) {
      this.#phase = 'over'
      listener.failed(new ProxyError('CONNECT_FAILED', 'the connection was refused'))
    } else if (listener.responded(this.#status, ['content-length', '0'], '', false)) this.#end()
  }

  #end(): void {
    if (this.#phase !== 'held') return
    this.#phase = 'over'
    if (!this.left) this.#listener.ended([])
  }

  /** Called within `responded` too, where the end must not come yet. */
  resume(): void {
    if (this.#phase === 'held') this.#clock.soon(this)
  }

  /** A worker that has begun knows nothing of it. */
  cancel(): void {
    this.left = true
    if (this.#phase === 'answering') this.#clock.unplan(this)
    if (this.#phase !== 'working' && this.#phase !== 'waiting') this.#phase = 'over'
  }
}
