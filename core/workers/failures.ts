import { fileURLToPath } from 'node:url'
import { ProxyError } from '../errors.js'
import { typescriptOf } from './file.js'
import { labelOf } from './protocol.js'

const MIB = 1024 * 1024
/** Node's code for a thread that came to its limit, and ours for one that is ended before. */
export const OUT_OF_MEMORY = 'ERR_WORKER_OUT_OF_MEMORY'

// What a ProxyError says goes out to clients, so these name export and file in their causes alone.

export function overloaded(message: string): ProxyError {
  return new ProxyError('WORKER_OVERLOADED', message, { headers: { 'retry-after': '1' } })
}

/** @param did what it did for more than `limit` ms */
export function late(label: string, did: string, limit: number): ProxyError {
  const cause = new Error(`${label}: ${did} for more than ${limit} ms; its thread is replaced`)
  return new ProxyError('PLUGIN_TIMEOUT', 'work in a worker thread took too long', { cause })
}

export function absent(url: URL, exportName: string): Error {
  const file = fileURLToPath(url)
  const other = typescriptOf(file)
  return new Error(
    `${labelOf({ exportName, file })}: there is no such file${other === undefined ? '' : `, and no ${other}`}`
  )
}

/**
 * Why a call got no answer, in terms of its author.
 *
 * @param begun whether its function was called
 * @param maxHeap bytes
 */
export function explain(error: unknown, label: string, begun: boolean, maxHeap: number): Error {
  const { name, message, code } = error as Error & { code?: unknown }
  return new Error(`${label}: ${reasonOf(name, message, code, begun, maxHeap)}`, { cause: error })
}

function reasonOf(name: string, message: string, code: unknown, begun: boolean, maxHeap: number): string {
  if (code === OUT_OF_MEMORY) return `its thread grew past the heap limit of ${Math.round(maxHeap / MIB)} MiB`
  if (name === 'DataCloneError') {
    const what = begun
      ? 'its result cannot be sent back from a thread'
      : 'its arguments cannot be sent to a thread'
    return `${what}: ${message}`
  }
  // Piscina has no code for it.
  const exit = /^worker exited with code: (.+)$/.exec(message)
  return exit === null ? message : `its thread ended with exit code ${exit[1]} before there was a result`
}
