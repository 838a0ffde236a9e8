import { constants, fstatSync, openSync } from 'node:fs'
import { pino } from 'pino'

/** Bytes that may wait for a standard error that nobody reads; what comes on top is dropped. */
const MAX_WAITING = 1024 * 1024

/** What is tried at exit, 100 ms each, before what a full pipe does not take is given up. */
const EXIT_TRIES = 3

export interface LogDestination {
  write(line: string): void
}

let opened: LogDestination | undefined

/**
 * The process's standard error, written in the background. A reader that stalls costs lines and never a request: at most 1 MiB
 * waits. Flushed when the process ends, within about 300 ms.
 */
export function standardError(): LogDestination {
  opened ??= open()
  return opened
}

function open(): LogDestination {
  let exiting = false
  let tries = 0
  let dropped = 0
  process.on('exit', () => {
    exiting = true
  })
  const stream = pino.destination({
    dest: openWithoutBlocking(2),
    sync: false,
    maxLength: MAX_WAITING,
    retryEAGAIN: () => !exiting || ++tries <= EXIT_TRIES
  } as Parameters<typeof pino.destination>[0])
  // A full disk or a closed pipe: the lines wait within their bound, and the next write tries again.
  stream.on('error', () => {})
  stream.on('drop', () => {
    dropped++
  })
  stream.on('drain', () => {
    if (dropped === 0) return
    const line = {
      level: 'warn',
      time: new Date().toISOString(),
      dropped,
      msg: 'log lines were dropped: standard error was not read'
    }
    dropped = 0
    stream.write(`${JSON.stringify(line)}\n`)
  })
  return stream
}

/**
 * The same pipe opened once more, for us alone not to block on: a write that blocks in a thread holds up even the exit,
 * and setting the flag on the descriptor itself would set it for every process that shares it.
 *
 * @returns the descriptor given, where there is no pipe or no such way
 */
function openWithoutBlocking(fd: number): number {
  try {
    const stat = fstatSync(fd)
    if (stat.isFIFO()) return openSync(`/proc/self/fd/${fd}`, constants.O_WRONLY | constants.O_NONBLOCK)
    // A socket cannot be opened again; Node's own stream for it sets the flag.
    if (stat.isSocket()) void process.stderr
  } catch {
    // Without /proc, or with a descriptor that is closed: as it comes.
  }
  return fd
}
