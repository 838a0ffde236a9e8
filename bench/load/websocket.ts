import { fileURLToPath } from 'node:url'
import { output } from '../children.js'
import type { Load } from './generator.js'

/** Messages that are echoed, one at a time on each connection. @param bytes of a message */
export async function driveMessages(
  url: string,
  connections: number,
  bytes: number,
  seconds: number
): Promise<Load> {
  const script = fileURLToPath(new URL('./websocket.mjs', import.meta.url))
  const said = await output(process.execPath, [script, url, ...[connections, seconds, bytes].map(String)])
  const { messages, failed, seconds: elapsed } = JSON.parse(said)
  return { requests: messages, failed, seconds: elapsed, mean: Number.NaN, p50: Number.NaN, p99: Number.NaN }
}
