// `npm run bench -- memory`: bodies of gigabytes through a process of 256 MiB, and a client that hardly reads.
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type Running, start } from '../children.js'
import { pinned } from '../cores.js'
import { figure, markdown } from '../report.js'
import { mib, Peak, residentBytes, settledBytes } from './resident.js'
import { type Download, download, given, take, upload, type Way } from './transfers.js'

/** Old-generation heap of the proxy, in MiB. */
export const HEAP = 256

/** MiB by which its resident memory may grow. */
export const FLAT_WITHIN = 64

/** Bytes that go through first: what is compiled and allocated then stays, however little follows. */
const WARM_UP = 64 * 1024 * 1024

/** What a client that hardly reads takes at first, in bytes, and how long it then takes nothing, in ms. */
const FIRST = 1024 * 1024
const PAUSE = 4_000

/** Bytes that may be on their way while nobody reads: the buffers of two pairs of sockets, and HTTP/2's windows. */
const HELD = 32 * 1024 * 1024

export interface MemoryCase {
  readonly name: string
  readonly way: Way
  readonly kind: 'download' | 'upload' | 'slow reader'
}

const labels: Record<Way, string> = { http1: 'HTTP/1.1', http2: 'h2c' }

export const memoryCases: readonly MemoryCase[] = (['http1', 'http2'] as const).flatMap((way) =>
  (['download', 'upload', 'slow reader'] as const).map((kind) => ({
    name: `${kind}, ${labels[way]}`,
    way,
    kind
  }))
)

export interface MemoryResult {
  readonly name: string
  /** Bytes that went through. */
  readonly bytes: number
  readonly seconds: number
  /** Bytes in memory once it was warm and at rest, and the most there were. */
  readonly before: number
  readonly peak: number
  /** Bytes that the service had sent and the client had not taken, at the end of a pause; of a slow reader. */
  readonly held: number | undefined
  /** What went wrong. */
  readonly trouble: string | undefined
}

export interface MemorySettings {
  /** The folder that holds ours, compiled. */
  readonly build: string
  /** Cores for the proxy; none: wherever the system puts it. */
  readonly on: readonly number[]
  readonly say: (text: string) => void
}

/**
 * Each case in a process of its own.
 *
 * @param bytes of each transfer
 */
export async function measureMemory(
  { build, on, say }: MemorySettings,
  bytes: number,
  cases: readonly MemoryCase[] = memoryCases
): Promise<MemoryResult[]> {
  const results: MemoryResult[] = []
  const service = await start({
    name: 'service',
    file: process.execPath,
    args: [fileURLToPath(new URL('./upstream.mjs', import.meta.url))],
    addresses: 2
  })
  try {
    for (const one of cases) {
      say(`memory: ${one.name}, ${figure(mib(bytes), 0)} MiB`)
      const proxy = await startProxy(build, on, service)
      try {
        results.push(await measureCase(one, proxy, service, bytes))
      } finally {
        await proxy.stop()
      }
    }
  } finally {
    await service.stop()
  }
  return results
}

function startProxy(build: string, on: readonly number[], service: Running): Promise<Running> {
  const configuration = fileURLToPath(new URL('./sidecar.yaml', import.meta.url))
  return start({
    name: 'outrigger',
    ...pinned(on, process.execPath, [
      `--max-old-space-size=${HEAP}`,
      join(build, 'plugins/bin.js'),
      'run',
      configuration
    ]),
    env: {
      SERVICE_HTTP1: service.urls.get('http1') as string,
      SERVICE_HTTP2: service.urls.get('http2') as string
    }
  })
}

async function measureCase(
  { name, way, kind }: MemoryCase,
  proxy: Running,
  service: Running,
  bytes: number
): Promise<MemoryResult> {
  const url = proxy.urls.get('inbound') as string
  if (residentBytes(proxy.pid) === undefined)
    throw new Error('this system does not say how much memory a process has: no /proc')
  const first = await (kind === 'upload' ? upload(url, way, WARM_UP) : downloaded(url, way, WARM_UP))
  if (first !== WARM_UP) throw new Error(`${first} bytes of the first ${WARM_UP} arrived`)
  const before = await settledBytes(proxy.pid)
  const peak = new Peak(proxy.pid)
  const begun = performance.now()
  let passed = 0
  let held: number | undefined
  let trouble: string | undefined
  try {
    if (kind === 'slow reader') {
      const result = await readSlowly(url, service.urls.get('http1') as string, way, bytes)
      passed = result.taken
      held = result.held
    } else if (kind === 'download') {
      passed = await downloaded(url, way, bytes)
    } else {
      passed = await upload(url, way, bytes)
    }
    if (passed !== bytes) trouble = `${passed} bytes arrived`
    else if (held !== undefined && held > HELD) trouble = 'the service was not held up'
  } catch (error) {
    trouble = (error as Error).message
  }
  const seconds = (performance.now() - begun) / 1_000
  const most = peak.stop()
  if (residentBytes(proxy.pid) === undefined) trouble = 'the proxy has ended'
  else if (mib(most - before) > FLAT_WITHIN) trouble ??= `it grew by more than ${FLAT_WITHIN} MiB`
  return { name, bytes: passed, seconds, before, peak: most, held, trouble }
}

async function downloaded(url: string, way: Way, bytes: number): Promise<number> {
  const answer = await download(url, way, bytes)
  const taken = await take(answer)
  answer.close()
  return taken
}

/** Takes a little, nothing for a while, and then the rest. */
async function readSlowly(
  url: string,
  service: string,
  way: Way,
  bytes: number
): Promise<{ taken: number; held: number }> {
  await given(service)
  const answer = await download(url, way, bytes)
  let taken = await some(answer, FIRST)
  await new Promise((resolve) => setTimeout(resolve, PAUSE))
  const held = (await given(service)) - taken
  taken += await take(answer)
  answer.close()
  return { taken, held }
}

/** Takes at least so many bytes, and then no more until it is asked to. */
function some({ body }: Download, bytes: number): Promise<number> {
  return new Promise((resolve, reject) => {
    let taken = 0
    const onData = (chunk: Buffer) => {
      taken += chunk.length
      if (taken < bytes) return
      body.pause()
      body.off('data', onData)
      body.off('error', reject)
      resolve(taken)
    }
    body.on('data', onData)
    body.once('error', reject)
  })
}

/** In Markdown. */
export function memoryTable(results: readonly MemoryResult[]): string {
  const head = [
    '',
    'MiB through it',
    's',
    'MiB/s',
    'resident MiB before',
    'at most',
    'grown by',
    'held back MiB',
    'wrong'
  ]
  const lines = results.map(({ name, bytes, seconds, before, peak, held, trouble = '' }) => [
    name,
    figure(mib(bytes), 0),
    figure(seconds, 1),
    figure(mib(bytes) / seconds, 0),
    figure(mib(before), 0),
    figure(mib(peak), 0),
    figure(mib(peak - before), 0),
    held === undefined ? '-' : figure(mib(held), 1),
    trouble
  ])
  return markdown(head, lines)
}
