import { once } from 'node:events'
import { createServer, type Server } from 'node:net'
import type { Test } from 'tap'

/** What the ports of the examples begin with where nobody says otherwise: left to whoever tries them by hand. */
const BY_HAND = 231
const EXAMPLES = 6

/**
 * What the ports of one test begin with: of `prefix00` to `prefix98` none is taken. `prefix99` is held until the test
 * ends, so that tests which run at once do not choose the same.
 *
 * All lie below those that a system gives to outgoing connections (32768 on Linux).
 */
export async function claimPorts(t: Test): Promise<string> {
  for (let tries = 0; tries < 50; tries++) {
    const prefix = 110 + Math.floor(Math.random() * 210)
    if (prefix >= BY_HAND && prefix < BY_HAND + EXAMPLES) continue
    const lock = await bind(prefix * 100 + 99)
    if (lock === undefined) continue
    if ((await taken(String(prefix))).length === 1) {
      t.teardown(() => close(lock))
      return String(prefix)
    }
    await close(lock)
  }
  throw new Error('no hundred ports in a row are free')
}

/** Of `prefix00` to `prefix99`, those on which something listens. */
export async function taken(prefix: string): Promise<number[]> {
  const ports = Array.from({ length: 100 }, (_, i) => Number(prefix) * 100 + i)
  const free = await Promise.all(
    ports.map(async (port) => {
      const server = await bind(port)
      if (server !== undefined) await close(server)
      return server !== undefined
    })
  )
  return ports.filter((_, i) => !free[i])
}

/** @returns undefined where the port is taken */
async function bind(port: number): Promise<Server | undefined> {
  const server = createServer()
  server.listen(port, '127.0.0.1')
  return once(server, 'listening').then(
    () => server,
    () => undefined
  )
}

async function close(server: Server): Promise<void> {
  server.close()
  await once(server, 'close')
}
