import { type ChildProcess, spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import type { Test } from 'tap'

export const root = fileURLToPath(new URL('../../../', import.meta.url))

/** As it was built: `npm test` builds before it tests. */
const binary = `${root}dist/plugins/bin.js`

/** What still runs, for when this process is ended before its tests have. */
const running = new Set<ChildProcess>()
process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL')
})

export interface RunningBinary {
  readonly child: ChildProcess
  /** All that was printed so far. */
  readonly out: string
  readonly err: string
  /** Resolves with what of standard output matches, once it does. @throws when the process ends without */
  untilOut(pattern: RegExp): Promise<RegExpMatchArray>
  /** The same of standard error. */
  untilErr(pattern: RegExp): Promise<RegExpMatchArray>
  /** The exit code, or the signal it died of. */
  readonly ended: Promise<number | NodeJS.Signals | null>
}

/** Starts the binary; what still runs when the test ends is killed. */
export function start(
  t: Test,
  args: string[],
  options: { cwd?: string; env?: Record<string, string> } = {}
): RunningBinary {
  const child = spawn(process.execPath, [binary, ...args], {
    cwd: options.cwd ?? root,
    // What the test runner tells its own children is not for this one.
    env: { PATH: process.env.PATH, HOME: process.env.HOME, ...options.env },
    stdio: ['ignore', 'pipe', 'pipe']
  })
  running.add(child)
  const said = { out: '', err: '' }
  const looks = new Set<() => void>()
  const hear = (which: 'out' | 'err') => (chunk: Buffer) => {
    said[which] += chunk.toString()
    for (const look of looks) look()
  }
  child.stdout.on('data', hear('out'))
  child.stderr.on('data', hear('err'))
  let over = false
  const ended = new Promise<number | NodeJS.Signals | null>((resolve) => {
    child.once('close', (code, signal) => {
      over = true
      running.delete(child)
      for (const look of looks) look()
      resolve(code ?? signal)
    })
  })
  t.teardown(async () => {
    if (!over) child.kill('SIGKILL')
    await ended
  })
  const until = (which: 'out' | 'err', pattern: RegExp) =>
    new Promise<RegExpMatchArray>((resolve, reject) => {
      const look = () => {
        const found = pattern.exec(said[which])
        if (found === null && !over) return
        looks.delete(look)
        if (found === null) reject(new Error(`ended without ${pattern}:\n${said.out}\n${said.err}`))
        else resolve(found)
      }
      looks.add(look)
      look()
    })
  return {
    child,
    get out() {
      return said.out
    },
    get err() {
      return said.err
    },
    untilOut: (pattern) => until('out', pattern),
    untilErr: (pattern) => until('err', pattern),
    ended
  }
}

/** Runs the binary to its end. */
export async function finish(
  t: Test,
  args: string[],
  options: { cwd?: string; env?: Record<string, string> } = {}
): Promise<{ code: number | NodeJS.Signals | null; out: string; err: string }> {
  const started = start(t, args, options)
  const code = await started.ended
  return { code, out: started.out, err: started.err }
}

/** The address of a listener's ready line. */
export async function ready(started: RunningBinary, listener = 'inbound'): Promise<string> {
  const [, address] = await started.untilOut(new RegExp(`^ready ${listener} (\\S+)$`, 'm'))
  return address as string
}
