import type { Session } from 'node:inspector'

type Usage = { readonly usedSize: number }
type Reply = { readonly id: number; readonly result?: Usage }
type Event<Params> = { readonly params: Params }
type Attached = Event<{ readonly sessionId: string; readonly workerInfo: { readonly workerId: string } }>
type Received = Event<{ readonly sessionId: string; readonly message: string }>

/** A thread's session, and what it has not answered yet. */
class Line {
  readonly sessionId: string
  readonly open = new Map<number, (reply: Reply | undefined) => void>()
  /** On `performance.now()`: a collection costs as much as the heap is large, and does not follow another at once. */
  noCollectionBefore = 0

  constructor(sessionId: string) {
    this.sessionId = sessionId
  }
}

/**
 * Measures the heaps of threads from outside, while they work.
 *
 * V8's own limit is no limit for one thread: when a Map or an array of it grows past the limit in one step, V8 ends the
 * whole process. So V8's limit stands higher (`BACKSTOP`) and a thread is ended before it comes there. Node can ask a
 * busy thread for its heap through its inspector alone: a session within the process, no port, nothing enabled but
 * the list of threads.
 */
export class HeapWatch {
  /** V8's limit, in terms of the one that is watched: a growing Map needs three times its size for a moment. */
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

  /** Whether more than the limit is in use in a thread, garbage not counted. False for a thread that does not answer. */
  async isOver(threadId: number): Promise<boolean> {
    this.#enable()
    const line = this.#lines.get(String(threadId))
    if (line === undefined) return false
    const used = await this.#used(line)
    if (used <= this.#limit) return false
    if (used > 2 * this.#limit) return true
    const start = performance.now()
    if (start < line.noCollectionBefore) return false
    await this.#ask(line, 'HeapProfiler.collectGarbage')
    const over = (await this.#used(line)) > this.#limit
    const end = performance.now()
    line.noCollectionBefore = end + 10 * (end - start)
    return over
  }

  close(): void {
    this.#session.disconnect()
    for (const line of this.#lines.values()) hangUp(line)
    this.#lines.clear()
  }

  /** At the first call that is long enough to be measured: those who have short ones alone pay nothing. */
  #enable(): void {
    if (this.#enabled) return
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
    return (await this.#ask(line, 'Runtime.getHeapUsage'))?.result?.usedSize ?? 0
  }

  #ask(line: Line, method: string): Promise<Reply | undefined> {
    const id = ++this.#lastId
    return new Promise((resolve) => {
      line.open.set(id, (reply) => {
        line.open.delete(id)
        resolve(reply)
      })
      this.#session.post('NodeWorker.sendMessageToWorker', {
        sessionId: line.sessionId,
        message: JSON.stringify({ id, method })
      })
    })
  }
}

function hangUp(line: Line): void {
  for (const answer of [...line.open.values()]) answer(undefined)
}
