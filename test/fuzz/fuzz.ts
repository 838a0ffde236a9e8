import { planFrames } from './frames.js'
import { type Played, playHttp1 } from './http1.js'
import { playHttp2 } from './http2.js'
import { Random } from './random.js'
import { planClient } from './requests.js'
import { World } from './world.js'

export interface FuzzOptions {
  readonly seed: number
  /** Exchanges; the run ends with the first connection past it. */
  readonly count: number
  /** Ends the run earlier. */
  readonly seconds: number
  /** Which share of connections speaks HTTP/2. */
  readonly http2: number
  /** Connections at once. */
  readonly concurrency?: number
  /** The connection to play alone. */
  readonly only?: number | undefined
  readonly progress?: (exchanges: number, findings: number) => void
}

export interface FuzzReport {
  readonly exchanges: number
  readonly connections: number
  /** ms */
  readonly took: number
  /** With the number of the connection, to play it again. */
  readonly findings: readonly { readonly connection: number; readonly what: string; readonly bytes: string }[]
}

async function play(
  world: World,
  random: Random,
  connection: number,
  http2: number
): Promise<{ played: Played; bytes: string }> {
  if (random.chance(http2)) {
    const plan = planFrames(random, connection)
    const played = await playHttp2(world, plan)
    return {
      played,
      bytes: plan.frames
        .map((one) => one.toString('hex'))
        .join(' ')
        .slice(0, 4_000)
    }
  }
  const plan = planClient(random, connection)
  const played = await playHttp1(world, plan)
  return { played, bytes: plan.pieces.join('').slice(0, 4_000) }
}

/** Plays made-up connections through a proxy of its own until as many exchanges, or as much time, are spent. */
export async function fuzz(options: FuzzOptions): Promise<FuzzReport> {
  const { seed, count, seconds, http2, only } = options
  const world = await World.start(seed)
  const findings: FuzzReport['findings'][number][] = []
  const startedAt = Date.now()
  let exchanges = 0
  let next = only ?? 0
  let connections = 0
  const goesOn = () =>
    only === undefined
      ? exchanges < count && Date.now() - startedAt < seconds * 1_000 && findings.length < 20
      : connections < 1
  const one = async () => {
    while (goesOn()) {
      const connection = next++
      connections++
      const { played, bytes } = await play(world, new Random(seed, connection), connection, http2)
      exchanges += played.exchanges
      // What upstreams noticed meanwhile may be another connection's: it is near.
      const noticed = world.findings.splice(0)
      for (const what of [...played.findings, ...noticed]) findings.push({ connection, what, bytes })
      if (connections % 500 === 0) options.progress?.(exchanges, findings.length)
    }
  }
  try {
    await Promise.all(Array.from({ length: only === undefined ? (options.concurrency ?? 32) : 1 }, one))
    const text = await fetch(`${world.proxy.url()}/local/x`).then((response) => response.text())
    if (text !== 'local')
      findings.push({ connection: -1, what: 'the proxy does not answer any more', bytes: text })
    for (const line of world.proxy.log)
      if (line.level === 'error')
        findings.push({ connection: -1, what: `logged: ${line.message}`, bytes: JSON.stringify(line.fields) })
  } finally {
    await world.close()
  }
  return { exchanges, connections, took: Date.now() - startedAt, findings }
}
