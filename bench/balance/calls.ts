// Callers that each wait for an answer before they ask again, and how long each of them waited.
import { Agent, get } from 'node:http'

export interface Calls {
  readonly requests: number
  readonly seconds: number
  /** Broken off, or answered with anything but 200. */
  readonly failed: number
  /** ms */
  readonly p50: number
  readonly p99: number
}

/**
 * What a closed loop measures is what these callers waited. wrk, with whose figures they are not to be compared, adds
 * answers that it takes to have been left out while a caller waited for a late one.
 */
export async function calls(url: string, callers: number, seconds: number): Promise<Calls> {
  const agent = new Agent({ keepAlive: true, maxSockets: callers })
  const waits: number[] = []
  let failed = 0
  const startedAt = performance.now()
  const end = startedAt + seconds * 1000
  const call = async () => {
    while (performance.now() < end) {
      const askedAt = performance.now()
      if (!(await isAnswered(url, agent))) failed++
      waits.push(performance.now() - askedAt)
    }
  }
  await Promise.all(Array.from({ length: callers }, call))
  agent.destroy()
  waits.sort((a, b) => a - b)
  const at = (part: number) => waits[Math.floor(waits.length * part)] ?? Number.NaN
  const taken = (performance.now() - startedAt) / 1000
  return { requests: waits.length, seconds: taken, failed, p50: at(0.5), p99: at(0.99) }
}

function isAnswered(url: string, agent: Agent): Promise<boolean> {
  return new Promise((resolve) => {
    const request = get(url, { agent }, (response) => {
      response.resume()
      response.once('close', () => resolve(response.complete && response.statusCode === 200))
    })
    request.once('error', () => resolve(false))
  })
}
