import { setTimeout as sleep } from 'node:timers/promises'
import { settle, type VirtualClock } from './virtual-clock.js'

/** Real ms without any sign of life, after which what is waited for is taken never to come. */
const SILENCE = 200
/** Virtual ms that then pass for each real one, about: slow work has some more time, and 15 s are over in one. */
const PACE = 20
/** Turns of the event loop that are taken at once: most of what is waited for is there within them. */
const TURNS = 50

export interface Waiting {
  ended(): boolean
  /** Whether there is work under way that takes real time, and a real clock's timeout will end. */
  busy(): boolean
  /** A number that is another one whenever something has happened. */
  progress(): number
}

/**
 * Moves the clock on until the waiting has ended: to each one-shot timer, as nothing else is there to be waited for. An
 * interval is none to move on to, as it is never the last; but timeouts are looked after by one. A file that is read,
 * or a thread that computes, takes real time, though, and must not be overtaken by a timeout: hence the silence.
 */
export async function passTime(clock: VirtualClock, waiting: Waiting): Promise<void> {
  let quietSince = performance.now()
  let turns = 0
  let progress = waiting.progress()
  const stir = () => {
    quietSince = performance.now()
    turns = 0
    progress = waiting.progress()
  }
  for (;;) {
    await settle()
    if (waiting.ended()) return
    const next = clock.nextTimeout
    if (next !== undefined) {
      await clock.advance(next)
      stir()
    } else if (waiting.busy() || waiting.progress() !== progress) {
      // A thread's work is no turn of this loop, so there is no hurry to look again.
      if (waiting.busy()) await sleep(1)
      stir()
    } else if (performance.now() - quietSince >= SILENCE) {
      await clock.advance(PACE)
      await sleep(1)
    } else if (++turns > TURNS) await sleep(1)
  }
}
