import type { Limit } from '../../../core/index.js'

/** A bound as the core keeps it, without its metrics. */
class PlainLimit implements Limit {
  readonly name: string
  max: number
  used = 0
  waiting = 0
  refused = 0

  constructor(name: string, max: number) {
    this.name = name
    this.max = max
  }

  take(): boolean {
    const room = this.used < this.max
    if (room) this.used++
    else this.refuse()
    return room
  }

  release(): void {
    if (this.used > 0) this.used--
  }

  refuse(): void {
    this.refused++
  }
}

export function limitOf(name: string, max: number): PlainLimit {
  return new PlainLimit(name, max)
}
