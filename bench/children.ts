// Every process that a run starts, so that none outlives it.
import { type ChildProcess, spawn } from 'node:child_process'
import { createConnection } from 'node:net'
import { createInterface } from 'node:readline'

/** ms for a process to be ready: a loaded machine is slow to start Node. */
const READY_WITHIN = 30_000
/** ms from asking a process to end to ending it. */
const STOP_WITHIN = 5_000

const children = new Set<ChildProcess>()
process.on('exit', () => {
  for (const child of children) child.kill('SIGKILL')
})
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.on(signal, () => {
    process.stderr.write(`bench: ended by ${signal}\n`)
    process.exit(1)
  })
}

export interface Running {
  readonly name: string
  readonly pid: number
  /** By the names that it gave them in its `ready NAME URL` lines. */
  readonly urls: ReadonlyMap<string, string>
  /** performance.now() when it was started. */
  readonly startedAt: number
  stop(): Promise<void>
}

export interface Command {
  readonly name: string
  readonly file: string
  readonly args: readonly string[]
  readonly env?: Readonly<Record<string, string>>
  /** What it must have said to be ready: this many lines `ready NAME URL`. Default 1. */
  readonly addresses?: number
  /** For one that says nothing: it is ready once this port of loopback accepts. */
  readonly port?: number
  /** That it speaks TLS on that port. */
  readonly secure?: boolean
}

/** @throws Error with what the process wrote, when it ends or is not ready in time */
export async function start(command: Command): Promise<Running> {
  const { name, file, args, env, addresses = 1, port, secure = false } = command
  const startedAt = performance.now()
  const child = spawn(file, args, {
    env: { ...process.env, NODE_ENV: 'production', ...env },
    stdio: ['ignore', 'pipe', 'pipe']
  })
  children.add(child)
  const urls = new Map<string, string>()
  let said = ''
  const ended = new Promise<void>((resolve) => {
    child.once('error', (error) => {
      said += error.message
      resolve()
    })
    child.once('exit', () => resolve())
  })
  void ended.then(() => children.delete(child))
  const heard = new Promise<void>((resolve) => {
    for (const stream of [child.stdout, child.stderr]) {
      createInterface({ input: stream }).on('line', (line) => {
        const ready = /^ready (\S+) (\S+)$/.exec(line)
        if (ready === null) said = `${said}${line}\n`.slice(-4000)
        else urls.set(ready[1] as string, ready[2] as string)
        if (urls.size === addresses) resolve()
      })
    }
  })
  if (port !== undefined) urls.set('inbound', `${secure ? 'https' : 'http'}://127.0.0.1:${port}`)
  const timeout = new AbortController()
  const outcome = await Promise.race([
    (port === undefined ? heard : accepting(port, timeout.signal)).then(() => 'ready' as const),
    ended.then(() => 'ended' as const),
    late(timeout.signal)
  ])
  timeout.abort()
  if (outcome !== 'ready') {
    child.kill('SIGKILL')
    throw new Error(`${name} ${outcome === 'ended' ? 'ended' : 'is not ready in time'}: ${said.trim()}`)
  }
  return { name, pid: child.pid as number, urls, startedAt, stop: () => stop(child, ended) }
}

async function stop(child: ChildProcess, ended: Promise<void>): Promise<void> {
  child.kill('SIGTERM')
  const hurry = setTimeout(() => child.kill('SIGKILL'), STOP_WITHIN)
  await ended
  clearTimeout(hurry)
}

function late(signal: AbortSignal): Promise<'late'> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => resolve('late'), READY_WITHIN)
    signal.addEventListener('abort', () => clearTimeout(timer))
  })
}

async function accepting(port: number, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    if (await accepts(port)) return
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = createConnection(port, '127.0.0.1')
    socket.once('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.once('error', () => resolve(false))
  })
}

/** What a command that ends by itself wrote to its standard output. @throws Error when it fails */
export function output(file: string, args: readonly string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(file, args, { stdio: ['ignore', 'pipe', 'pipe'] })
    children.add(child)
    let out = ''
    let err = ''
    child.stdout.on('data', (chunk) => (out += chunk))
    child.stderr.on('data', (chunk) => (err += chunk))
    child.once('error', reject)
    child.once('close', (code) => {
      children.delete(child)
      if (code === 0) resolve(out)
      else reject(new Error(`${file} ended with ${code}: ${err.trim() || out.trim()}`))
    })
  })
}
