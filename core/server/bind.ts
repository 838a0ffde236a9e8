import { lstat, unlink } from 'node:fs/promises'
import type { Server } from 'node:http'
import { type AddressInfo, createConnection } from 'node:net'
import type { FastifyInstance } from 'fastify'
import type { Address } from '../config/types.js'

/**
 * Connections that wait to be accepted; the system takes no more than its own limit, on Linux `net.core.somaxconn`. Node's
 * default of 511 overflows in a surge, and who is dropped then tries again a second later. 4096 is Linux's own since 5.4.
 */
const BACKLOG = 4096

/** @returns where it can be reached: `127.0.0.1:8080`, with a port of 0 become a real one, or `unix:/path` */
export async function bind(app: FastifyInstance, address: Address): Promise<string> {
  if (address.kind === 'tcp') {
    const name = address.host === '' ? '0.0.0.0' : address.host
    await app.listen({ host: name, port: address.port, backlog: BACKLOG })
    const bound = (app.server as Server).address() as AddressInfo | null
    const host = name.includes(':') ? `[${name}]` : name
    return `${host}:${bound?.port ?? address.port}`
  }
  await removeStaleSocket(address.path)
  await app.listen({ path: address.path, backlog: BACKLOG })
  return `unix:${address.path}`
}

/** A socket file outlives a process that was killed. It is removed only when nobody answers on it. */
async function removeStaleSocket(path: string): Promise<void> {
  const there = await lstat(path).catch(() => undefined)
  // A connection to a plain file is refused as well.
  if (there?.isSocket() !== true) return
  const code = await new Promise<string | undefined>((resolve) => {
    const probe = createConnection(path)
    probe.once('connect', () => {
      probe.destroy()
      resolve(undefined)
    })
    probe.once('error', (error: NodeJS.ErrnoException) => resolve(error.code))
  })
  if (code === 'ECONNREFUSED') await unlink(path)
}

export function bindFailure(address: Address, cause: unknown): string {
  const where = address.kind === 'tcp' ? `${address.host}:${address.port}` : `unix:${address.path}`
  switch ((cause as NodeJS.ErrnoException).code) {
    case 'EADDRINUSE':
      return `${where} is taken: stop what listens there or choose another address`
    case 'EACCES':
      return `${where} may not be bound by this user: choose a port above 1023 or grant the right`
    case 'EADDRNOTAVAIL':
      return `${where} is not an address of this machine`
    case 'ENOTFOUND':
      return `${where} does not resolve`
    case 'ENOENT':
      return `${where} cannot be made: its folder does not exist`
    default:
      return `${where} cannot be bound: ${(cause as Error).message}`
  }
}
