import type { Socket } from 'node:net'

/** ms that a connection is held back while others are taken. */
const LONGEST = 500

/**
 * Takes in a surge of connections before it serves the first requests on them. A listener of Node 20 accepts one
 * connection a turn of the event loop (libuv 1.45 and later), and a turn is as long as what is done in it: with each
 * served as it comes, the last of a thousand that come at once waits for some half a million reads of those before it.
 * One that comes in the turn after another is held until a turn passes in which none comes.
 */
export class Arrivals {
  readonly #serve: (socket: Socket) => void
  readonly #now: () => number
  #held: Socket[] = []
  /** When the first of those held came. */
  #since = 0
  /** Whether this turn's end is looked at. */
  #watching = false
  #came = false

  /** @param now ms; never goes back. Default: the process's. */
  constructor(serve: (socket: Socket) => void, now: () => number = () => performance.now()) {
    this.#serve = serve
    this.#now = now
  }

  /** What fails on a socket that is held must be heard by whoever gives it. */
  take(socket: Socket): void {
    this.#came = true
    if (this.#watching) {
      if (this.#held.length === 0) this.#since = this.#now()
      this.#held.push(socket)
      return
    }
    this.#watching = true
    setImmediate(this.#turned)
    this.#serve(socket)
  }

  readonly #turned = (): void => {
    const came = this.#came
    this.#came = false
    if (came) setImmediate(this.#turned)
    else this.#watching = false
    if (this.#held.length > 0 && (!came || this.#now() - this.#since > LONGEST)) this.release()
  }

  /** Serves those that are held. */
  release(): void {
    const held = this.#held
    this.#held = []
    for (const socket of held) {
      // Its client has closed without a word: nobody would hear of it any more.
      if (socket.readableEnded) socket.destroy()
      else if (!socket.destroyed) this.#serve(socket)
    }
  }
}
