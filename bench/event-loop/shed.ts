// How long it takes to be refused when the workers' queue is full, over a socket.
import { once } from 'node:events'
import { type ClientRequest, get } from 'node:http'
import { connect, type Socket } from 'node:net'
import { fileURLToPath } from 'node:url'
import { type Running, start } from '../children.js'
import { pinned } from '../cores.js'
import type { Bench } from '../mode.js'
import { programOf, surroundings } from '../stage.js'
import { quantile } from '../statistics.js'

/** Of shed.yaml: one has the thread, the others wait. */
const HELD = 5
/** Refusals that count, after some that do not: in less than one of the held ones takes. */
const COUNT = 400
const WARM_UP = 400
/** ms after which all of them have come to the queue. */
const SETTLED = 1500

export interface Shed {
  /** ms */
  readonly p50: number
  readonly p99: number
  /** Answered otherwise than with 503. */
  readonly failed: number
}

export async function shed({ stage, build }: Bench): Promise<Shed> {
  const on = stage.cores === undefined ? [] : [stage.cores.proxy]
  const file = fileURLToPath(new URL('./shed.yaml', import.meta.url))
  const proxy = await start({
    name: 'outrigger',
    ...pinned(on, process.execPath, [programOf(build), 'run', file]),
    env: surroundings(stage)
  })
  const held: ClientRequest[] = []
  try {
    return await refusals(proxy, held)
  } finally {
    for (const request of held) request.destroy()
    await proxy.stop()
  }
}

async function refusals(proxy: Running, held: ClientRequest[]): Promise<Shed> {
  const url = new URL(`${proxy.urls.get('inbound')}/hold`)
  const socket = connect({ host: url.hostname, port: Number(url.port), noDelay: true })
  await once(socket, 'connect')
  // A thread is started for the first, and only then does the queue fill.
  for (let i = 0; i < HELD; i++) held.push(get(url, { agent: false }).on('error', () => {}))
  await new Promise((resolve) => setTimeout(resolve, SETTLED))
  const status = await ask(socket, url, 5_000)
  if (status !== 503)
    throw new Error(`with the queue full, a request was answered with ${status ?? 'nothing'}`)
  const taken: number[] = []
  let failed = 0
  for (let i = 0; i < WARM_UP + COUNT; i++) {
    const askedAt = performance.now()
    const status = await ask(socket, url, 30_000)
    if (i < WARM_UP) continue
    if (status === 503) taken.push(performance.now() - askedAt)
    else failed++
  }
  socket.destroy()
  taken.sort((one, other) => one - other)
  return { p50: quantile(taken, 0.5), p99: quantile(taken, 0.99), failed }
}

/** @param within ms @returns the status; undefined when none came in time */
function ask(socket: Socket, { pathname, host }: URL, within: number): Promise<number | undefined> {
  return new Promise((resolve) => {
    let head = ''
    const end = (status: number | undefined) => {
      clearTimeout(timer)
      socket.off('data', onData)
      resolve(status)
    }
    const timer = setTimeout(() => end(undefined), within)
    const onData = (chunk: Buffer) => {
      head += chunk.toString('latin1')
      const length = /\r\ncontent-length: *(\d+)/i.exec(head)?.[1]
      const body = head.indexOf('\r\n\r\n')
      // All of it, for the next one comes on the same connection.
      if (body !== -1 && head.length >= body + 4 + Number(length ?? 0)) end(Number(head.slice(9, 12)))
    }
    socket.on('data', onData)
    socket.write(`GET ${pathname} HTTP/1.1\r\nhost: ${host}\r\n\r\n`)
  })
}
