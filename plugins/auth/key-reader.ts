import { readFile, stat } from 'node:fs/promises'
import { isIP } from 'node:net'
import { Pool } from 'undici'

/** Of a key set, in bytes. */
const MOST_BYTES = 256 * 1024

/** Where a key set is read from. */
export interface KeyReader {
  /** @throws Error when it is not there, is too large or is not UTF-8 */
  read(signal: AbortSignal): Promise<string>
  close(): void
}

export function isUrl(jwks: string): boolean {
  return jwks.includes('://')
}

/** @param path absolute */
export function fileReader(path: string): KeyReader {
  return {
    async read(signal) {
      const found = await stat(path)
      // A pipe would hold one of Node's few threads until somebody writes into it.
      if (!found.isFile()) throw new Error('it is no file')
      if (found.size > MOST_BYTES) throw new Error(`it is larger than ${MOST_BYTES} bytes`)
      return decode(await readFile(path, { signal }))
    },
    close() {}
  }
}

/** By GET, redirects not followed; over https, the server's certificate is verified. */
export function urlReader(url: URL): KeyReader {
  // The reader is given up by its signal; undici's own times would be a second clock.
  const pool = new Pool(url.origin, {
    connections: 1,
    maxResponseSize: MOST_BYTES,
    headersTimeout: 0,
    bodyTimeout: 0
  })
  return {
    async read(signal) {
      const { statusCode, body } = await pool.request({
        method: 'GET',
        path: url.pathname + url.search,
        headers: { accept: 'application/jwk-set+json, application/json', 'user-agent': 'outrigger' },
        signal
      })
      if (statusCode !== 200) {
        // Its body is of no use, and its connection need not be either.
        body.on('error', () => {}).destroy()
        throw new Error(`its server answered ${statusCode}`)
      }
      return decode(Buffer.from(await body.arrayBuffer()))
    },
    close() {
      void pool.destroy().catch(() => {})
    }
  }
}

/** Whether whoever is on the way could send keys of their own. */
export function isOpenToOthers(url: URL): boolean {
  if (url.protocol === 'https:') return false
  const host = url.hostname.replace(/^\[|\]$/g, '')
  return host !== 'localhost' && !(isIP(host) !== 0 && (host === '::1' || host.startsWith('127.')))
}

function decode(bytes: Buffer): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch {
    throw new Error('it is not UTF-8')
  }
}
