import { request } from 'node:http'
import { join } from 'node:path'
import type { Test } from 'tap'
import { type RunningBinary, ready, start } from '../cli/binary.js'

/** Says which process answers, and refuses to be set up in process `refusedIn`. */
const WHO = `
import cluster from 'node:cluster'
import { definePlugin, Reply, z } from 'outrigger'

export default definePlugin({
  name: 'who',
  config: z.strictObject({ says: z.string().default('one'), refusedIn: z.number().default(0) }),
  setup({ config }) {
    if (cluster.worker?.id === config.refusedIn) throw new Error('not in this process')
    return {
      request({ request }) {
        if (request.path === '/who') return new Reply(200, config.says + ' ' + process.pid)
      }
    }
  }
})
`

export interface CrewUnderTest {
  readonly binary: RunningBinary
  readonly file: string
  readonly url: string
  readonly admin: string
  /** What `/who` answers, over a connection of its own. */
  who(): Promise<{ says: string; pid: number }>
  /** Asks until as many processes have answered. */
  pids(count: number): Promise<Set<number>>
  metric(name: string): Promise<number>
}

export const yaml = (upstream: string, who = '', more = '') => `
processes: 2
drain: 20s
listeners: { inbound: { address: 127.0.0.1:0 } }
admin: { address: 127.0.0.1:0 }
plugins: [metrics, { ./who.ts: { ${who} } }]
services: { app: { endpoints: [ "${upstream}" ] } }
routes: [ { name: app, match: { path: /* }, service: app } ]
${more}
`

/** The binary with two processes. */
export async function startCrew(t: Test, config: string, args: string[] = []): Promise<CrewUnderTest> {
  const cwd = t.testdir({ 'sidecar.yaml': config, 'who.ts': WHO })
  const binary = start(t, ['run', ...args], { cwd })
  const [url, admin] = [await ready(binary), await ready(binary, 'admin')]
  const who = async () => {
    const [says = '', pid] = (await once(`${url}/who`)).split(' ')
    return { says, pid: Number(pid) }
  }
  return {
    binary,
    file: join(cwd, 'sidecar.yaml'),
    url,
    admin,
    who,
    pids: async (count) => {
      const pids = new Set<number>()
      while (pids.size < count) pids.add((await who()).pid)
      return pids
    },
    metric: async (name) => {
      const text = await (await fetch(`${admin}/metrics`)).text()
      const line = text.split('\n').find((each) => each.startsWith(`${name} `))
      return Number(line?.slice(name.length))
    }
  }
}

/** Over a connection of its own. */
export function once(url: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const sent = request(url, { agent: false }, (response) => {
      let body = ''
      response.setEncoding('utf8')
      response.on('data', (chunk) => (body += chunk))
      response.on('end', () => resolve(body))
      response.on('error', reject)
    })
    sent.on('error', reject)
    sent.end()
  })
}

/** Whether there is such a process, and it has not ended. */
export function runs(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}

/** Looks until it holds; tap's time limit bounds it. */
export async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await holds())) await new Promise((resolve) => setTimeout(resolve, 20))
}
