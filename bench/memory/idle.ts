// `npm run bench -- idle`: thousands of connections that have had one answer and now say nothing.
import { execFileSync } from 'node:child_process'
import { type ClientHttp2Session, connect as connectHttp2 } from 'node:http2'
import { createConnection, type Socket } from 'node:net'
import { join } from 'node:path'
import { connect as connectTls } from 'node:tls'
import { fileURLToPath } from 'node:url'
import { output, type Running, start } from '../children.js'
import { pinned } from '../cores.js'
import { figure, markdown } from '../report.js'
import { median } from '../statistics.js'
import type { MemorySettings } from './measure.js'
import { mib, settledBytes } from './resident.js'

/** Connections that are opened at once: fewer than a listener's backlog. */
const AT_ONCE = 100

/** Requests that others make meanwhile. */
const OTHERS = 500

/** Files besides connections that either process has open. */
const BESIDES = 200

type Kind = 'HTTP/1.1' | 'HTTP/1.1 over TLS' | 'h2c'

const KINDS: readonly Kind[] = ['HTTP/1.1', 'HTTP/1.1 over TLS', 'h2c']

export interface IdleResult {
  readonly kind: Kind
  /** Fewer than were wanted where the system allows no more. */
  readonly connections: number
  /** Bytes in memory before there were any, and with all of them. */
  readonly before: number
  readonly after: number
  /** s to open them all */
  readonly seconds: number
  /** ms that others' requests took meanwhile, and how many failed. */
  readonly p50: number
  readonly p99: number
  readonly failed: number
  /** What went wrong. */
  readonly trouble: string | undefined
}

/** @param directory for certificates */
export async function measureIdle(
  { build, on, say }: MemorySettings,
  directory: string,
  wanted: number,
  kinds: readonly Kind[] = KINDS
): Promise<IdleResult[]> {
  const most = openFiles() - BESIDES
  const connections = Math.min(wanted, most)
  if (connections < wanted)
    say(`idle: ${connections} connections in place of ${wanted}: ulimit -Hn allows no more`)
  const program = join(build, 'plugins/bin.js')
  const certificates = join(directory, 'certs')
  await output(process.execPath, [program, 'certs', 'dev', '--out', certificates])
  const results: IdleResult[] = []
  for (const kind of kinds) {
    say(`idle: ${connections} connections, ${kind}`)
    const proxy = await start({
      name: 'outrigger',
      ...pinned(on, process.execPath, [
        program,
        'run',
        fileURLToPath(new URL('./idle.yaml', import.meta.url))
      ]),
      addresses: 2,
      env: { CERTIFICATE: join(certificates, 'localhost.pem'), KEY: join(certificates, 'localhost.key') }
    })
    try {
      results.push(await measureKind(kind, proxy, connections))
    } finally {
      await proxy.stop()
    }
  }
  return results
}

async function measureKind(kind: Kind, proxy: Running, wanted: number): Promise<IdleResult> {
  const url = new URL(proxy.urls.get(kind === 'HTTP/1.1 over TLS' ? 'secure' : 'inbound') as string)
  const plain = new URL(proxy.urls.get('inbound') as string)
  // What the first requests of each kind load stays, and is no connection's.
  await closeAll(await open(kind, url, AT_ONCE))
  const before = await settledBytes(proxy.pid)
  const begun = performance.now()
  const idle = await open(kind, url, wanted)
  const seconds = (performance.now() - begun) / 1_000
  const after = await settledBytes(proxy.pid)
  const latencies: number[] = []
  let failed = 0
  for (let i = 0; i < OTHERS; i++) {
    const asked = performance.now()
    const [other] = await open('HTTP/1.1', plain, 1).catch(() => [])
    if (other === undefined) failed++
    else {
      latencies.push(performance.now() - asked)
      other.end()
    }
  }
  const left = idle.filter((each) => each.alive).length
  const again = await Promise.all(
    idle.slice(0, AT_ONCE).map((each) =>
      each.ask().then(
        () => 1,
        () => 0
      )
    )
  )
  const served = again.reduce<number>((sum, one) => sum + one, 0)
  await closeAll(idle)
  latencies.sort((a, b) => a - b)
  let trouble: string | undefined
  if (left !== wanted) trouble = `${wanted - left} were closed`
  else if (served !== again.length) trouble = `${again.length - served} were not answered any more`
  else if (failed > 0) trouble = `${failed} requests of others failed`
  return {
    kind,
    connections: wanted,
    before,
    after,
    seconds,
    p50: median(latencies),
    p99: latencies[Math.floor(latencies.length * 0.99)] ?? Number.NaN,
    failed,
    trouble
  }
}

/** One of the connections. */
interface Idle {
  readonly alive: boolean
  /** One request. @throws Error when it is not answered with 200 */
  ask(): Promise<void>
  end(): void
}

/** Opens so many, each of which has had an answer. */
async function open(kind: Kind, url: URL, count: number): Promise<Idle[]> {
  const all: Idle[] = []
  while (all.length < count) {
    const some = Array.from({ length: Math.min(AT_ONCE, count - all.length) }, () => openOne(kind, url))
    all.push(...(await Promise.all(some)))
  }
  return all
}

async function openOne(kind: Kind, url: URL): Promise<Idle> {
  const one = kind === 'h2c' ? new Idle2(connectHttp2(url.origin)) : new Idle1(dial(kind, url))
  await one.ask()
  return one
}

function dial(kind: Kind, { hostname, port }: URL): Socket {
  const where = { host: hostname, port: Number(port) }
  // Whose certificate it is, is not what is looked at.
  return kind === 'HTTP/1.1' ? createConnection(where) : connectTls({ ...where, rejectUnauthorized: false })
}

class Idle1 implements Idle {
  readonly #socket: Socket

  constructor(socket: Socket) {
    this.#socket = socket
    socket.on('error', () => {})
  }

  get alive(): boolean {
    return !this.#socket.destroyed && this.#socket.readyState === 'open'
  }

  ask(): Promise<void> {
    const socket = this.#socket
    return new Promise((resolve, reject) => {
      const onClose = () => reject(new Error('closed without an answer'))
      socket.once('close', onClose)
      socket.once('data', (chunk: Buffer) => {
        socket.off('close', onClose)
        // The answer is small: it comes in one piece.
        if (chunk.toString('latin1').startsWith('HTTP/1.1 200 ')) resolve()
        else reject(new Error('not answered with 200'))
      })
      socket.write('GET / HTTP/1.1\r\nhost: idle\r\n\r\n')
    })
  }

  end(): void {
    this.#socket.destroy()
  }
}

class Idle2 implements Idle {
  readonly #session: ClientHttp2Session

  constructor(session: ClientHttp2Session) {
    this.#session = session
    session.on('error', () => {})
  }

  get alive(): boolean {
    return !this.#session.closed && !this.#session.destroyed
  }

  ask(): Promise<void> {
    return new Promise((resolve, reject) => {
      const stream = this.#session.request({ ':path': '/' })
      let status: unknown
      stream.once('response', (headers) => (status = headers[':status']))
      stream.resume()
      stream.once('error', reject)
      stream.once('close', () => (status === 200 ? resolve() : reject(new Error('not answered with 200'))))
    })
  }

  end(): void {
    this.#session.destroy()
  }
}

async function closeAll(all: readonly Idle[]): Promise<void> {
  for (const [index, each] of all.entries()) {
    each.end()
    if (index % AT_ONCE === 0) await new Promise((resolve) => setImmediate(resolve))
  }
}

/** How many a process may have; Node takes all that it may have by itself. */
function openFiles(): number {
  const limit = execFileSync('sh', ['-c', 'ulimit -Hn'], { encoding: 'utf8' }).trim()
  return limit === 'unlimited' ? Number.POSITIVE_INFINITY : Number(limit)
}

/** In Markdown. */
export function idleTable(results: readonly IdleResult[]): string {
  const head = [
    '',
    'connections',
    'opened in s',
    'resident MiB before',
    'with them',
    'KiB each',
    "others' p50 ms",
    'p99 ms',
    'wrong'
  ]
  const lines = results.map(({ kind, connections, seconds, before, after, p50, p99, trouble = '' }) => [
    kind,
    String(connections),
    figure(seconds, 1),
    figure(mib(before), 0),
    figure(mib(after), 0),
    figure((after - before) / connections / 1_024, 1),
    figure(p50, 1),
    figure(p99, 1),
    trouble
  ])
  return markdown(head, lines)
}
