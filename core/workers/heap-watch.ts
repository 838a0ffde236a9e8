import type { Session } from 'node:inspector'

type Usage = { readonly usedSize: number }
type Reply = { readonly id: number; readonly result?: Usage }
type Event<Params> = { readonly params: Params }
type Attached = Event<{ readonly sessionId: string; readonly workerInfo: { readonly workerId: string } }>
type Received = Event<{ readonly sessionId: string; readonly message: string }>

/** Past the limit by how much a heap may be, as part of it is garbage that V8 has had no reason to collect yet. */
const ALLOWANCE = 1.25
/** Past the limit by how much one look is enough. */
const FAR = 2

/** A thread's session, and what it has not answered yet. */
class Line {
  readonly sessionId: string
  readonly open = new Map<number, (reply: Reply | undefined) => void>()
  wasOver = false

  constructor(sessionId: string) {
    this.sessionId = sessionId
  }
}

/**
 * Measures the heaps of threads from outside, while they work.
 *
 * V8's own limit is no limit for one thread: where a Map or an array steps over it as it grows, V8 ends the whole
 * process. So V8's limit stands higher, and a thread is ended before it comes there. Node can ask a busy thread for its
 * heap through its inspector alone: a session within the process, no port, nothing enabled but the list of threads.
 */
export class HeapWatch {
  /**
   * V8's limit, in terms of ours: for a moment a growing Map needs three times its size. Higher, and V8 lets more
   * garbage lie: with 4, a heap of 100 MiB in use comes to 200, with 8 to 440.
   */
  static readonly BACKSTOP = 4

  readonly #session: Session
  readonly #limit: number
  readonly #lines = new Map<string, Line>()
  #lastId = 0
  #enabled = false

  private constructor(session: Session, limit: number) {
    this.#session = session
    this.#limit = limit
  }

  /** @returns undefined where Node has no inspector, or does not permit it */
  static async open(limit: number): Promise<HeapWatch | undefined> {
    try {
      const { Session } = await import('node:inspector')
      const session = new Session()
      session.connect()
      return new HeapWatch(session, limit)
    } catch {
      return undefined
    }
  }

  /**
   * Whether a thread's heap is past the limit. For one that works, at two looks in a row, since V8 may be about to
   * collect. False for a thread that does not answer.
   */
  async isOver(threadId: number, atRest: boolean): Promise<boolean> {
    if (!this.#enabled) this.#enable()
    const line = this.#lines.get(String(threadId))
    // One question at a time: a thread answers late while it collects.
    if (line === undefined || line.open.size > 0) return false
    const used = await this.#used(line)
    const { wasOver } = line
    line.wasOver = used > this.#limit * ALLOWANCE
    return line.wasOver && (atRest || wasOver || used > this.#limit * FAR)
  }

  close(): void {
    this.#enabled = true
    this.#session.disconnect()
    for (const line of this.#lines.values()) hangUp(line)
    this.#lines.clear()
  }

  /** At the first look: until then nothing is attached to the threads. */
  #enable(): void {
    this.#enabled = true
    this.#session.on('NodeWorker.attachedToWorker', ({ params }: Attached) => {
      this.#lines.set(params.workerInfo.workerId, new Line(params.sessionId))
    })
    this.#session.on('NodeWorker.detachedFromWorker', ({ params }: Event<{ readonly sessionId: string }>) => {
      for (const [threadId, line] of this.#lines) {
        if (line.sessionId !== params.sessionId) continue
        this.#lines.delete(threadId)
        hangUp(line)
      }
    })
    this.#session.on('NodeWorker.receivedMessageFromWorker', ({ params }: Received) => {
      const reply = JSON.parse(params.message) as Reply
      for (const line of this.#lines.values()) {
        if (line.sessionId === params.sessionId) line.open.get(reply.id)?.(reply)
      }
    })
    this.#session.post('NodeWorker.enable', { waitForDebuggerOnStart: false })
  }

  async #used(line: Line): Promise<number> {
    const id = ++this.#lastId
    const reply = await new Promise<Reply | undefined>((resolve) => {
      line.open.set(id, resolve)
      const message = JSON.stringify({ id, method: 'Runtime.getHeapUsage' })
      const params = { sessionId: line.sessionId, message }
      this.#session.post('NodeWorker.sendMessageToWorker', params, (error) => error && resolve(undefined))
    })
    line.open.delete(id)
    return reply?.result?.usedSize ?? 0
  }
}

function hangUp(line: Line): void {
  for (const answer of line.open.values()) answer(undefined)
}
