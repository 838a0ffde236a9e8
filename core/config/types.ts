import type { Plugin } from '../hooks/plugin.js'

/** A configuration that has been checked: every default filled in, durations in ms, sizes in bytes, paths absolute. */
export interface Config {
  /** Absolute; undefined when the configuration came as an object. */
  readonly file: string | undefined
  /** What relative paths were resolved against. */
  readonly directory: string
  readonly listeners: ReadonlyMap<string, ListenerConfig>
  readonly admin: { readonly address: Address } | undefined
  readonly plugins: readonly PluginUse[]
  readonly services: ReadonlyMap<string, ServiceConfig>
  readonly routes: readonly RouteConfig[]
  readonly workers: WorkersConfig
  /** Default 1; `auto` has become the number of cores. */
  readonly processes: number
  readonly drainTimeout: number
  readonly log: { readonly level: 'debug' | 'info' | 'warn' | 'error' | 'silent' }
  /** As the user wrote it, environment not substituted and secrets masked: what the admin shows. */
  readonly masked: unknown
  /** Files whose change is a change of this configuration: itself, plugin files, certificates. */
  readonly watched: readonly string[]
}

/** `127.0.0.1:8080`, `[::1]:8080`, `:8080` (an empty host: every interface) or `unix:/path`, taken apart. */
export type Address =
  | { readonly kind: 'tcp'; readonly host: string; readonly port: number }
  | { readonly kind: 'unix'; readonly path: string }

export interface ListenerConfig {
  readonly name: string
  readonly address: Address
  readonly tls: ListenerTls | undefined
  /** ms for a client to send its header block. Default 10 s. */
  readonly headersTimeout: number
  /** ms that a client may pause within a body. Default 60 s. */
  readonly bodyTimeout: number
  /** ms that an idle connection is kept. Default 60 s. */
  readonly idleTimeout: number
  /** Bytes of a header block. Default 60 KiB. */
  readonly maxHeaderSize: number
  /** Connections at once; further ones are closed. Default 16,384. */
  readonly maxConnections: number
  /** False: HTTP/1 alone, neither by ALPN nor by preface. Default true. */
  readonly http2: boolean
  /** Streams that one HTTP/2 connection may have open. Default 100. */
  readonly maxStreams: number
  /** Addresses and CIDR ranges of peers whose word on who asked is taken. Default none. */
  readonly trustedProxies: readonly string[]
  /** Trusted peers begin each connection with a PROXY protocol header, version 1 or 2. Default false. */
  readonly proxyProtocol: boolean
  /** Send `Forwarded` (RFC 7239) beside X-Forwarded-*. Default false. */
  readonly forwarded: boolean
  /** Name for `Via`, both ways; undefined: none is sent. */
  readonly via: string | undefined
  /** Answers carry `Server-Timing`. Default false. */
  readonly serverTiming: boolean
  /** Plain HTTP/1.1 does not go through Node's server. Default true. */
  readonly fastLane: boolean
}

/** PEM files, absolute; that they can be read and belong together was seen when the configuration was loaded. */
export interface CertificatePair {
  readonly cert: string
  readonly key: string
}

export interface ListenerTls extends CertificatePair {
  /** PEM file of the CAs that client certificates are verified by; there whenever clients are asked for one. */
  readonly ca: string | undefined
  /** `request`: a client may show a certificate, and one that does not verify is as none. `require`: it must. Default none. */
  readonly clientAuth: 'none' | 'request' | 'require'
  /** Default TLSv1.2. */
  readonly minVersion: 'TLSv1.2' | 'TLSv1.3'
  /** Other certificates, by the name that the client asks for. */
  readonly sni: readonly SniCertificate[]
}

export interface SniCertificate extends CertificatePair {
  /** Lower case; `*.example.com` matches one label. */
  readonly names: readonly string[]
}

/**
 * What a service's endpoints speak. `h2c`: HTTP/2 from the first byte, without TLS. `h2`: HTTP/2 over TLS. `auto`: over
 * TLS what ALPN settles, else HTTP/2 where the endpoint answers its preface, and HTTP/1.1 where not.
 */
export type Protocol = 'http' | 'https' | 'h2c' | 'h2' | 'auto'

export interface ServiceConfig {
  readonly name: string
  readonly endpoints: readonly EndpointConfig[]
  readonly protocol: Protocol
  readonly tls: ServiceTls
  readonly plugins: readonly PluginUse[]
  /** ms. Default 5 s. */
  readonly connectTimeout: number
  /** ms that an idle upstream connection is kept; the upstream's own Keep-Alive shortens it. Default 4 s. */
  readonly keepAlive: number
  /** ms that a streaming body may pause. Default 5 min. */
  readonly idleTimeout: number
  /** Connections per endpoint. Default 1,024. */
  readonly maxConnections: number
  /** Attempts per endpoint that may wait for a connection before OVERLOADED. Default 1,024. */
  readonly maxPending: number
  /** Plain HTTP/1.1 does not go through undici. Default true. */
  readonly fastLane: boolean
}

export interface ServiceTls {
  /** PEM file, absolute. Undefined: the system's CAs. */
  readonly ca: string | undefined
  readonly serverName: string | undefined
  /** PEM files, absolute, of what is shown to the upstream. */
  readonly cert: string | undefined
  readonly key: string | undefined
  /** True: the upstream's certificate is not verified. */
  readonly insecure: boolean
}

export interface EndpointConfig {
  readonly url: string
  readonly weight: number
  readonly zone: string | undefined
  readonly priority: number
  readonly tags: Readonly<Record<string, string>>
}

export interface RouteConfig {
  readonly name: string
  readonly match: MatchConfig
  /** Names; undefined means all. */
  readonly listeners: readonly string[] | undefined
  readonly service: string | undefined
  /** In place of a service. */
  readonly reply:
    | {
        readonly status: number
        readonly body: string | object | undefined
        readonly headers: Record<string, string>
      }
    | undefined
  /** ms for the whole exchange; 0 for none. Default 15 s. */
  readonly timeout: number
  readonly encodedSlashes: 'refuse' | 'keep'
  readonly plugins: readonly PluginUse[]
}

/** All of what is given must hold. Also what a plugin's `when` is made of, less the host. */
export interface MatchConfig {
  /** `/orders` alone, or `/orders/*` for what is under it. Default `/*`. */
  readonly path: string
  /** Lower case; `*.example.com` matches one label or more. Undefined: any. */
  readonly host: string | undefined
  readonly methods: readonly string[] | undefined
  /** Name in lower case to the exact value, or `*` for present. */
  readonly headers: Readonly<Record<string, string>> | undefined
  /** Parameter to the exact value, or `*` for present. */
  readonly query: Readonly<Record<string, string>> | undefined
}

/** One listing of a plugin in a configuration. */
export interface PluginUse {
  readonly name: string
  readonly plugin: Plugin
  /** Validated by the plugin's schema. */
  readonly config: unknown
  readonly when: Pick<MatchConfig, 'path' | 'methods' | 'headers'> | undefined
  readonly onFailure: 'close' | 'skip'
  /** ms. Default 5 s. */
  readonly hookTimeout: number
  /** `FILE:LINE:COL` or a key path, for errors found after validation. */
  readonly at: string
}

export interface WorkersConfig {
  /** Default: cores - 1, at least 1. */
  readonly threads: number
  /** Tasks that may wait. Default 64 per thread. */
  readonly maxQueue: number
  /** Old-generation heap of a thread, in bytes. Default 256 MiB. */
  readonly maxHeap: number
}
