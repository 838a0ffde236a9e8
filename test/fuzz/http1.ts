// One client's connection over HTTP/1.1, and what must hold of it.
import { setTimeout as sleep } from 'node:timers/promises'
import { type Answer, RawClient, readAnswers } from '../support/raw-client.js'
import { decodePath, hostOf, type Reading, readClient } from './reading.js'
import type { ClientPlan } from './requests.js'
import type { Stamp, World } from './world.js'

/** ms in which every connection has been answered or closed: each of the proxy's own bounds lies well below it. */
export const BOUND = 6_000

export interface Played {
  /** Exchanges that were begun. */
  readonly exchanges: number
  /** What does not hold, a line each. */
  readonly findings: readonly string[]
}

/** Plays a plan through the proxy and looks at what came of it. */
export async function playHttp1(world: World, plan: ClientPlan): Promise<Played> {
  const { socket, port } = await world.connect()
  const client = new RawClient(socket)
  const { readings, clean } = readClient(plan.pieces.join(''))
  const findings: string[] = []
  await write(client, plan)
  const answered = () => client.ended || finals(client, readings).length >= readings.length
  if (plan.after === 'reset') socket.resetAndDestroy()
  else if (plan.after === 'leave') socket.destroy()
  else if (clean && plan.after !== 'end') {
    if (!(await client.within(BOUND, answered))) findings.push(`no answer within ${BOUND} ms`)
  } else if (plan.after === 'wait') {
    // What is left hanging is waited for by others; here the answers to what was whole are enough.
    const whole = readings.filter((reading) => reading.whole).length
    await client.within(BOUND, () => client.ended || finals(client, readings).length >= whole)
  } else if (!(await client.within(BOUND, () => client.ended))) findings.push(`not closed within ${BOUND} ms`)
  const gone = plan.after === 'reset' || plan.after === 'leave'
  const text = client.text
  const ended = client.ended && (client.finished || client.error === undefined) && !gone
  client.destroy()
  const stamps = world.exchanges.get(port) ?? []
  for (let i = 0; i < BOUND / 10 && stamps.some(({ finished }) => finished === 0); i++) await sleep(10)
  if (stamps.some(({ finished }) => finished === 0)) findings.push('an exchange never finished')
  for (const [i, stamp] of stamps.entries()) findings.push(...checkRequest(world, stamp, readings[i]))
  findings.push(...checkAnswers(world, text, ended, stamps, readings))
  const { length } = stamps
  world.forget(stamps)
  return { exchanges: Math.max(1, length), findings }
}

async function write(client: RawClient, { pieces, pause }: ClientPlan): Promise<void> {
  for (const [i, piece] of pieces.entries()) {
    if (i > 0 && pause >= 0) await (pause === 0 ? new Promise(setImmediate) : sleep(pause))
    if (client.ended || client.socket.destroyed) return
    client.write(piece)
  }
}

function finals(client: RawClient, readings: readonly Reading[]): Answer[] {
  const methods = readings.map(({ seen }) => seen.method)
  try {
    return readAnswers(client.text, client.ended, methods).filter(
      ({ status, complete }) => status >= 200 && complete
    )
  } catch {
    return []
  }
}

/** An exchange against what a strict reader sees at its place in the bytes. */
function checkRequest(world: World, stamp: Stamp, reading: Reading | undefined): string[] {
  const told = `${stamp.method} ${stamp.path}${stamp.query} (exchange ${stamp.index})`
  if (reading === undefined) return [`${told} was served, and no strict reader sees such a request`]
  const { seen, target } = reading
  const findings: string[] = []
  if (target === undefined)
    findings.push(`${told} was served: ${JSON.stringify(seen.target)} has no one meaning`)
  else if (
    stamp.method !== seen.method ||
    decodePath(stamp.path) !== target.path ||
    stamp.query !== target.query ||
    hostOf(stamp.host) !== target.host
  )
    findings.push(
      `${told} on ${stamp.host} was served where a strict reader sees ${seen.method} ${seen.target}`
    )
  for (const token of stamp.tokens) {
    const sighting = world.sightings.get(token)
    if (sighting === undefined) continue
    if (reading.shutOut) findings.push(`${told} reached an upstream without a key`)
    if (!sighting.whole) continue
    if (!reading.whole) findings.push(`${told}: a body that never ended was sent on as whole`)
    else if (!sighting.seen.body.equals(seen.body))
      findings.push(
        `${told}: a body of ${seen.body.length} bytes went upstream as ${sighting.seen.body.length}, or changed`
      )
  }
  return findings
}

const TOKEN = /\[?([0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}\.\d+)\]/g

/** The tokens that an answer's bytes hold, each once. */
export function tokensIn(text: string): Set<string> {
  return new Set([...text.matchAll(TOKEN)].map(([, token]) => token as string))
}

/** All that the client was sent: in order, each answer its own exchange's, none taken for whole that is not. */
function checkAnswers(
  world: World,
  text: string,
  ended: boolean,
  stamps: readonly Stamp[],
  readings: readonly Reading[]
): string[] {
  let answers: Answer[]
  try {
    answers = readAnswers(
      text,
      ended,
      readings.map(({ seen }) => seen.method)
    )
  } catch (error) {
    // A refusal of bytes behind a HEAD has a body, and its connection ends with it.
    if (readings.some(({ seen }) => seen.method === 'HEAD')) return []
    return [`the client was sent what is no answer: ${(error as Error).message}`]
  }
  const findings: string[] = []
  let index = 0
  let refused = false
  for (const answer of answers) {
    const stamp = stamps[index]
    const fields = answer.fields.join('\n')
    for (const token of tokensIn(`${fields}\n${answer.body}`)) {
      const owner = world.stamps.get(token)
      if (owner !== undefined && owner !== stamp)
        findings.push(`answer ${index} holds bytes of ${owner.method} ${owner.path} on another exchange`)
    }
    if (answer.status < 200) continue
    const claimed = /^x-fuzz-exchange: (.*)$/im.exec(fields)?.[1]
    if (claimed !== undefined && claimed !== `${stamp?.port}.${stamp?.index}`)
      findings.push(`answer ${index} is exchange ${claimed}'s`)
    if (claimed !== undefined && stamp !== undefined) findings.push(...checkBody(world, answer, stamp))
    if (refused && claimed !== undefined) findings.push(`answer ${index} follows a refusal`)
    refused ||= claimed === undefined
    index++
  }
  return findings
}

function checkBody(world: World, answer: Answer, stamp: Stamp): string[] {
  const echo = answer.fields
    .map((field) => /^x-echo: \[(.*)\]$/i.exec(field)?.[1])
    .find((one) => one !== undefined)
  const sighting = echo === undefined ? undefined : world.sightings.get(echo)
  if (sighting === undefined || !answer.complete) return []
  const { plan } = sighting
  const told = `the answer (${plan.kind}) to ${stamp.method} ${stamp.path}`
  // Of a body that only its connection ends, Node's client cannot tell: libuv takes a reset behind unread bytes for an
  // end. That there is a reset is seen in test/wire, where what came was read before it.
  const framed = answer.fields.some((field) => /^(?:content-length|transfer-encoding):/i.test(field))
  if (!framed && stamp.method !== 'HEAD' && plan.broken) return []
  if (plan.broken && stamp.method !== 'HEAD') return [`${told} broke off, and came to a clean end`]
  if (plan.whole === undefined) return []
  if (plan.whole.status !== answer.status) return [`${told} came as ${answer.status}`]
  return plan.whole.body === answer.body
    ? []
    : [`${told} changed: ${plan.whole.body.length} bytes, now ${answer.body.length}`]
}
