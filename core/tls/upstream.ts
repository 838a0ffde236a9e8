import type { SecureContext } from 'node:tls'
import type { ServiceTls } from '../config/types.js'
import type { CredentialStore, Held } from './credential-store.js'

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

/** A service's `tls`. It holds its files until it is released. */
export class LiveUpstreamTls implements UpstreamTls {
  readonly serverName: string | undefined
  readonly insecure: boolean
  readonly #held: Held

  /** @throws Error that names the file, when any cannot be read or they do not belong together */
  constructor({ ca, cert, key, serverName, insecure }: ServiceTls, credentials: CredentialStore) {
    this.serverName = serverName
    this.insecure = insecure
    this.#held = credentials.acquire({ ca, cert, key })
  }

  get context(): SecureContext {
    return this.#held.context
  }

  get version(): number {
    return this.#held.version
  }

  /** Connections that are there already go on. */
  release(): void {
    this.#held.release()
  }
}
