import type { Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Answer, RawClient, readAnswers } from '../support/raw-client.js'
import { type RecordingUpstream, type SeenRequest, startRecordingUpstream } from '../support/raw-upstream.js'
import type { Observation, Setup, Step, WireCase } from './case.js'

const OK = 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok'
/** Another client's request, behind each case. */
const BYSTANDER = '/bystander'
/** A further one on the case's own connection. */
const AFTER = '/after'

interface Closing {
  teardown(close: () => unknown): unknown
}

/** An upstream whose behaviour and record are one case's at a time. */
export class CaseUpstream {
  requests: SeenRequest[] = []
  heads: SeenRequest[] = []
  connections = 0
  #upstream!: RecordingUpstream
  #steps: readonly Step[] = [OK]
  #on: 'request' | 'head' = 'request'

  static async start(t?: Closing): Promise<CaseUpstream> {
    const one = new CaseUpstream()
    one.#upstream = await startRecordingUpstream(t, {
      answer: (seen, socket) => one.#seen(seen, socket, 'request'),
      begun: (seen, socket) => one.#seen(seen, socket, 'head')
    })
    return one
  }

  get url(): string {
    return this.#upstream.url
  }

  get violations(): string[] {
    return [...this.#upstream.readers.values()].flatMap(({ violation }) => violation ?? [])
  }

  close(): void {
    this.#upstream.close()
  }

  /** Forgets the case before; connections left idle are closed and seen to be closed by the other side. */
  async reset(steps: readonly Step[] = [OK], on: 'request' | 'head' = 'request'): Promise<void> {
    const { sockets, readers } = this.#upstream
    const deadline = Date.now() + 500
    for (const socket of sockets) socket.end()
    while (sockets.size > 0 && Date.now() < deadline) await sleep(1)
    for (const socket of sockets) socket.destroy()
    while (sockets.size > 0) await sleep(1)
    ;(readers as Map<Socket, unknown>).clear()
    this.requests = []
    this.heads = []
    this.connections = 0
    this.#steps = steps
    this.#on = on
  }

  #seen(seen: SeenRequest, socket: Socket, when: 'request' | 'head'): void {
    if (seen.target === BYSTANDER || seen.target === AFTER) {
      if (when === 'request') socket.write(OK)
      return
    }
    if (when === 'head') {
      if (!this.heads.some(({ connection }) => connection === seen.connection)) this.connections++
      this.heads.push(seen)
    } else this.requests.push(seen)
    if (when === this.#on) this.#act(seen, socket).catch(() => socket.destroy())
  }

  async #act(seen: SeenRequest, socket: Socket): Promise<void> {
    for (const step of this.#steps) {
      if (typeof step === 'string') socket.write(step, 'latin1')
      else if ('pause' in step) await sleep(step.pause)
      else if ('end' in step) socket.end()
      else if ('reset' in step) socket.resetAndDestroy()
      else if ('echo' in step)
        socket.write(
          `HTTP/1.1 200 OK\r\ncontent-length: ${seen.target.length}\r\n\r\n${seen.target}`,
          'latin1'
        )
      else if ('large' in step)
        socket.write(`HTTP/1.1 200 OK\r\ncontent-length: ${step.large}\r\n\r\n${'x'.repeat(step.large)}`)
      else if ('byTarget' in step) socket.write(step.byTarget[seen.target] ?? OK, 'latin1')
    }
  }
}

export interface Under {
  url(setup: Setup): string
  readonly upstream: CaseUpstream
  /** ms that an answer, or an end, is waited for. */
  readonly patience: number
  /** Whether `heads` steps may never come true: another proxy holds back what ours sends on. */
  readonly lenient?: boolean
}

/** Plays one case through a proxy and says what both ends saw. */
export async function perform(one: WireCase, under: Under): Promise<Observation> {
  const { upstream } = under
  await upstream.reset(one.upstream, one.on)
  if (one.cold !== true) await another(under)
  const client = await RawClient.connect(under.url(one.setup ?? 'main'))
  const expected =
    one.expect.statuses?.filter((status) => typeof status !== 'number' || status >= 200).length ??
    one.expect.bodies?.length ??
    1
  const left = await play(one, client, under)
  const answers = () => finals(client, one.methods)
  const done = () => {
    const all = answers()
    return all === undefined || (all.length >= expected && all.every(({ complete }) => complete))
  }
  await client.within(under.patience, () => client.ended || (expected > 0 && done()))
  if (one.expect.end === 'closed') await client.within(under.patience, () => client.ended)
  const own = client.text
  const end = left || client.ended ? 'closed' : await probe(client, done(), under)
  const bystander = await another(under)
  const reset = client.error?.code === 'ECONNRESET' && !client.finished
  client.destroy()
  const read =
    safely(() => readAnswers(end === 'open' ? own : client.text, end === 'closed' && !reset, one.methods)) ??
    []
  const all = end === 'open' ? read : read.filter((answer) => answer.status !== 0)
  const requests = [...upstream.requests]
  return {
    statuses: all.map(({ status }) => status),
    text: end === 'open' ? own : client.text,
    bodies: all.filter(({ status }) => status >= 200).map(({ body }) => body),
    fields: all.at(-1)?.fields ?? [],
    trailers: all.at(-1)?.trailers ?? [],
    complete: all.at(-1)?.complete ?? false,
    end,
    reset,
    upstream: requests,
    unfinished: upstream.heads.filter((head) => !requests.includes(head)),
    violations: upstream.violations,
    connections: upstream.connections,
    bystander
  }
}

/** @returns whether the client has left */
async function play(one: WireCase, client: RawClient, under: Under): Promise<boolean> {
  for (const step of one.send) {
    if (typeof step === 'string') client.write(step)
    else if ('pause' in step) await (step.pause === 0 ? new Promise(setImmediate) : sleep(step.pause))
    else if ('until' in step) {
      const came = await client.within(under.patience, () => client.ended || step.until.test(client.text))
      if (!came && !under.lenient)
        throw new Error(`${step.until} did not come; got ${JSON.stringify(client.text)}`)
    } else if ('heads' in step) {
      for (let i = 0; i < under.patience && under.upstream.heads.length < step.heads; i++) await sleep(1)
    } else if ('closed' in step) await client.within(under.patience, () => client.ended)
    else if ('end' in step) client.socket.end()
    else if ('deaf' in step) {
      client.socket.pause()
      await sleep(step.deaf)
      client.socket.resume()
    } else if ('reset' in step) {
      client.socket.resetAndDestroy()
      return true
    }
  }
  return false
}

function finals(client: RawClient, methods: readonly string[] | undefined): Answer[] | undefined {
  const all = safely(() => readAnswers(client.text, client.ended, methods))
  return all?.filter(({ status }) => status >= 200)
}

function safely<T>(read: () => T): T | undefined {
  try {
    return read()
  } catch {
    return undefined
  }
}

/** Whether the connection still serves: asked with one more request where the case has had its answers. */
async function probe(client: RawClient, answered: boolean, under: Under): Promise<Observation['end']> {
  if (!answered) return 'silent'
  const before = client.length
  client.write(`GET ${AFTER} HTTP/1.1\r\nhost: a\r\n\r\n`)
  const served = () => /^HTTP\/1\.1 200 [\s\S]*\r\n\r\nok$/.test(client.text.slice(before))
  await client.within(under.patience, () => client.ended || served())
  if (served()) return 'open'
  return client.ended ? 'closed' : 'silent'
}

/** What another client's plain request is answered; undefined when as it should be. */
async function another(under: Under): Promise<string | undefined> {
  const client = await RawClient.connect(under.url('main'))
  client.write(`GET ${BYSTANDER} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n`)
  await client.within(under.patience, () => client.ended)
  const { text } = client
  client.destroy()
  return /^HTTP\/1\.1 200 /.test(text) && text.endsWith('\r\n\r\nok') ? undefined : text.slice(0, 500)
}
