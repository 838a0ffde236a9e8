/** Who waits until this turn of the event loop has been read out. */
export interface Turning {
  turn(): void
}

let due: Turning[] = []
let spare: Turning[] = []
let scheduled = false

/**
 * Calls `turn` once all that has come in this turn was read: what ends a connection, or came on it without being asked
 * for, is then known. One for all of them, and not a callback each.
 */
export function atTurn(one: Turning): void {
  due.push(one)
  if (scheduled) return
  scheduled = true
  setImmediate(run)
}

function run(): void {
  scheduled = false
  const now = due
  due = spare
  for (let i = 0; i < now.length; i++) (now[i] as Turning).turn()
  now.length = 0
  spare = now
}
