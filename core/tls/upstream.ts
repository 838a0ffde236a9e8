import type { SecureContext } from 'node:tls'

/** How an upstream is verified and what is shown to it, as its files stand now. */
export interface UpstreamTls {
  /** What the next handshake uses. */
  readonly context: SecureContext
  /** Grows when a file has changed: sessions of before are not resumed. */
  readonly version: number
  /** The name in the upstream's certificate; undefined: the host. */
  readonly serverName: string | undefined
  /** True: the upstream's certificate is not verified. */
  readonly insecure: boolean
}
