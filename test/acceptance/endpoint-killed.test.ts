// One of three endpoints dies under load and comes back: what the clients see of it, and for how long it is in the way.
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { Agent, get } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import t, { type Test } from 'tap'
import type { EndpointView } from '../../core/index.js'
import { startTestProxy } from '../support/proxy.js'

const FIXTURE = fileURLToPath(new URL('fixtures/endpoint.mjs', import.meta.url))
/** Requests a second, and how many of them may be under way: a machine that is busy with other things gets fewer, not a queue. */
const RATE = Number(process.env.RATE ?? 100)
const AT_ONCE = 32
const INTERVAL = 5_000

const running = new Set<ChildProcess>()
process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL')
})

/** Resolves when it listens. */
async function startEndpoint(t: Test, port: number): Promise<{ child: ChildProcess; port: number }> {
  const child = spawn(process.execPath, [FIXTURE, String(port)], {
    env: { PATH: process.env.PATH },
    stdio: ['ignore', 'pipe', 'inherit']
  })
  running.add(child)
  const ended = once(child, 'close').then(() => running.delete(child))
  t.teardown(async () => {
    child.kill('SIGKILL')
    await ended
  })
  const [line] = await once(child.stdout, 'data')
  return { child, port: Number(line) }
}

/** Sends requests at a steady rate until it is stopped. */
function load(t: Test, url: string) {
  const agent = new Agent({ keepAlive: true })
  const answers = new Map<string, number>()
  const bodies = new Map<string, number>()
  const count = (map: Map<string, number>, what: string) => map.set(what, (map.get(what) ?? 0) + 1)
  const under = new Set<Promise<void>>()
  const one = () =>
    new Promise<void>((resolve) => {
      const request = get(`${url}/orders/1`, { agent }, async (response) => {
        let body = ''
        try {
          for await (const chunk of response) body += chunk
          count(answers, String(response.statusCode))
          count(bodies, body)
        } catch (error) {
          count(answers, (error as Error).message)
        }
        resolve()
      })
      request.on('error', (error) => {
        count(answers, error.message)
        resolve()
      })
    })
  const began = performance.now()
  let sent = 0
  let due = 0
  const timer = setInterval(() => {
    for (; due < ((performance.now() - began) / 1000) * RATE; due++) {
      if (under.size >= AT_ONCE) continue
      sent++
      const request = one().finally(() => under.delete(request))
      under.add(request)
    }
  }, 5)
  const stop = async () => {
    clearInterval(timer)
    await Promise.all(under)
    agent.destroy()
    return { sent, seconds: (performance.now() - began) / 1000 }
  }
  t.teardown(stop)
  return { answers, bodies, stop }
}

/** @returns ms that it took. @throws after 10 s */
async function until(test: () => boolean, what: string): Promise<number> {
  const began = performance.now()
  for (; !test(); await sleep(10)) {
    if (performance.now() - began > 10_000) throw new Error(`${what}: not in 10 s`)
  }
  return performance.now() - began
}

const isIn = ({ healthy, ejectedFor }: EndpointView) => healthy && ejectedFor === 0

const healthCheck = { 'health-check': { http: {}, interval: INTERVAL } }

const ways: [name: string, onService: (string | object)[]][] = [
  ['health-check alone', [healthCheck]],
  ['health-check and outlier-detection', [healthCheck, 'outlier-detection']]
]
const retry = 'retry'

for (const [name, onService] of ways) {
  t.test(`${name}: one of three is killed and comes back, and no client sees an error`, async (t) => {
    const endpoints = await Promise.all([0, 0, 0].map((port) => startEndpoint(t, port)))
    const [dying] = endpoints as [{ child: ChildProcess; port: number }]
    const proxy = await startTestProxy(t, {
      endpoints: endpoints.map(({ port }) => `http://127.0.0.1:${port}`),
      service: { plugins: onService },
      plugins: [retry]
    })
    const view = () => proxy.proxy.services()[0]?.endpoints[0] as EndpointView
    const { answers, bodies, stop } = load(t, proxy.url())
    await until(() => bodies.size === 3, 'all three serve')
    await sleep(500)

    dying.child.kill('SIGKILL')
    const out = await until(() => !isIn(view()), 'out')
    t.ok(out <= INTERVAL, `out after ${Math.round(out)} ms: ${view().reason}`)
    await until(() => !view().healthy, 'its check fails')
    await sleep(300)

    const { child } = await startEndpoint(t, dying.port)
    const back = await until(() => isIn(view()), 'back')
    t.ok(back <= 2_000, `back ${Math.round(back)} ms after it listens`)
    await until(() => bodies.has(String(child.pid)), 'it serves again')

    const { sent, seconds } = await stop()
    t.same([...answers], [['200', sent]], `${sent} requests, ${Math.round(sent / seconds)} a second`)
  })
}
