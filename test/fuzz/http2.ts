// One client's connection over HTTP/2, and what must hold of it.
import type { Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { FLAG, type Frame, FrameReader, frame, TYPE, windowUpdate } from '../support/http2-frames.js'
import type { FramePlan, PlannedStream } from './frames.js'
import { BOUND, type Played, tokensIn } from './http1.js'
import { decodePath, hostOf } from './reading.js'
import { KEY } from './requests.js'
import type { Stamp, World } from './world.js'

/** What came back: DATA by stream, and which streams are over. */
class Receiver {
  readonly bodies = new Map<number, string>()
  readonly over = new Map<number, 'ended' | 'reset'>()
  ended = false
  readonly #socket: Socket
  readonly #gives: boolean

  constructor(socket: Socket, gives: boolean) {
    this.#socket = socket
    this.#gives = gives
    const reader = new FrameReader()
    socket.on('data', (chunk) => {
      for (const one of reader.read(chunk)) this.#take(one)
    })
    socket.on('error', () => {})
    socket.on('close', () => {
      this.ended = true
    })
    socket.on('end', () => {
      this.ended = true
    })
  }

  #take({ type, flags, stream, payload }: Frame): void {
    if (type === TYPE.DATA) {
      const padded = (flags & FLAG.PADDED) !== 0
      const content = padded ? payload.subarray(1, payload.length - (payload[0] as number)) : payload
      this.bodies.set(stream, (this.bodies.get(stream) ?? '') + content.toString('latin1'))
      if (this.#gives && payload.length > 0)
        this.#write(windowUpdate(0, payload.length), windowUpdate(stream, payload.length))
    }
    const ends = (flags & FLAG.END_STREAM) !== 0
    if ((type === TYPE.DATA || type === TYPE.HEADERS) && ends && !this.over.has(stream))
      this.over.set(stream, 'ended')
    if (type === TYPE.RST_STREAM && !this.over.has(stream)) this.over.set(stream, 'reset')
    if (type === TYPE.SETTINGS && (flags & FLAG.ACK) === 0) this.#write(frame(TYPE.SETTINGS, FLAG.ACK, 0))
    if (type === TYPE.PING && (flags & FLAG.ACK) === 0) this.#write(frame(TYPE.PING, FLAG.ACK, 0, payload))
  }

  #write(...frames: Buffer[]): void {
    if (!this.ended && this.#socket.writable) this.#socket.write(Buffer.concat(frames))
  }
}

export async function playHttp2(world: World, plan: FramePlan): Promise<Played> {
  const { socket, port } = await world.connect()
  const receiver = new Receiver(socket, plan.reads)
  const findings: string[] = []
  for (const [i, one] of plan.frames.entries()) {
    if (receiver.ended) break
    socket.write(one)
    // Meanwhile an answer may be owed (to SETTINGS, a PING): not within a header block.
    if (i % 5 === 4 && plan.frames[i + 1]?.[3] !== TYPE.CONTINUATION) await new Promise(setImmediate)
  }
  const all = () => receiver.ended || plan.streams.every(({ id }) => receiver.over.has(id))
  if (plan.after !== 'leave') {
    if (plan.clean && !(await within(BOUND, all)))
      findings.push(`${left(plan, receiver)} not answered within ${BOUND} ms`)
    if (!plan.clean && plan.after === 'wait') await within(150, all)
    if (
      !plan.clean &&
      plan.after === 'patient' &&
      plan.reads &&
      !(await within(2 * BOUND, () => receiver.ended))
    )
      findings.push(`not closed within ${2 * BOUND} ms`)
    if (plan.clean && receiver.ended && plan.streams.some(({ id }) => !receiver.over.has(id)))
      findings.push(`closed with ${left(plan, receiver)} unanswered`)
  }
  socket.destroy()
  const stamps = world.exchanges.get(port) ?? []
  // What waits on a connection that broke is let go by its size: 64 KiB of an answer take 18 s.
  await within(5 * BOUND, () => stamps.every(({ finished }) => finished > 0))
  if (stamps.some(({ finished }) => finished === 0)) findings.push('an exchange never finished')
  findings.push(...checkOwners(world, receiver, port))
  if (plan.clean)
    for (const stream of plan.streams) findings.push(...checkStream(world, stream, stamps, receiver))
  else for (const stamp of stamps) findings.push(...checkGuard(world, stamp))
  const { length } = stamps
  world.forget(stamps)
  return { exchanges: Math.max(1, length), findings }
}

async function within(ms: number, holds: () => boolean): Promise<boolean> {
  const until = Date.now() + ms
  while (!holds() && Date.now() < until) await sleep(2)
  return holds()
}

function left(plan: FramePlan, receiver: Receiver): string {
  return `streams ${plan.streams.flatMap(({ id }) => (receiver.over.has(id) ? [] : [id]))}`
}

/** The bytes of an answer are on its own connection, and on one stream. */
function checkOwners(world: World, receiver: Receiver, port: number): string[] {
  const findings: string[] = []
  const seen = new Map<Stamp, number>()
  for (const [stream, body] of receiver.bodies) {
    for (const token of tokensIn(body)) {
      const owner = world.stamps.get(token)
      if (owner === undefined) continue
      const before = seen.get(owner)
      if (owner.port !== port)
        findings.push(`stream ${stream} holds bytes of another connection's ${owner.path}`)
      if (before !== undefined && before !== stream)
        findings.push(`streams ${before} and ${stream} hold one answer's bytes`)
      seen.set(owner, stream)
    }
  }
  return findings
}

function checkStream(
  world: World,
  stream: PlannedStream,
  stamps: readonly Stamp[],
  receiver: Receiver
): string[] {
  const stamp = stamps.find(({ name }) => name === stream.name)
  const target = targetOf(stream)
  const told = `stream ${stream.id}, ${stream.method} ${stream.path},`
  if (stamp === undefined) return []
  if (target === undefined) return [`${told} was served: its path has no one meaning`]
  const findings: string[] = []
  const { method, path, query, host, tokens } = stamp
  if (
    method !== stream.method ||
    decodePath(path) !== target.path ||
    query !== target.query ||
    host !== hostOf(stream.authority)
  )
    findings.push(`${told} was served as ${method} ${host}${path}${query}`)
  for (const token of tokens) {
    const sighting = world.sightings.get(token)
    if (sighting === undefined) continue
    if (/^\/admin(\/|$)/.test(target.path) && stream.key !== KEY)
      findings.push(`${told} reached an upstream without a key`)
    if (sighting.whole && sighting.seen.body.toString('latin1') !== stream.body)
      findings.push(
        `${told}: a body of ${stream.body.length} bytes went upstream as ${sighting.seen.body.length}, or changed`
      )
  }
  const body = receiver.bodies.get(stream.id) ?? ''
  const [echoed] = tokensIn(body)
  for (const token of tokensIn(body))
    if (world.stamps.get(token) !== stamp && world.stamps.has(token))
      findings.push(`${told} got another exchange's bytes`)
  const sighting = echoed === undefined ? undefined : world.sightings.get(echoed)
  if (sighting !== undefined && receiver.over.get(stream.id) === 'ended') {
    if (sighting.plan.broken && method !== 'HEAD') findings.push(`${told} broke off, and came to a clean end`)
    if (sighting.plan.whole !== undefined && sighting.plan.whole.body !== body)
      findings.push(`${told} got ${body.length} bytes of ${sighting.plan.whole.body.length}, or others`)
  }
  return findings
}

function targetOf({ path }: PlannedStream): { path: string; query: string } | undefined {
  const absolute = /^https?:/i.test(path)
  const question = path.indexOf('?')
  const query = question < 0 ? '' : path.slice(question)
  const decoded = absolute ? undefined : decodePath(question < 0 ? path : path.slice(0, question))
  return decoded === undefined || query.includes('#') ? undefined : { path: decoded, query }
}

/** Of mutated frames nobody knows what they say; what was matched still has to be what was sent. */
function checkGuard(world: World, stamp: Stamp): string[] {
  if (!/^\/admin(\/|$)/.test(decodePath(stamp.path) ?? '/admin')) return []
  for (const token of stamp.tokens) {
    const key = world.sightings.get(token)?.seen.fields.find(([name]) => name.toLowerCase() === 'x-key')?.[1]
    if (world.sightings.has(token) && key !== KEY) return [`${stamp.path} reached an upstream without a key`]
  }
  return []
}
