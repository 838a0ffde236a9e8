import type { Plugin } from '../hooks/plugin.js'

/** `250ms`, `5s`, `1.5s`, `1m`, `1h`, or milliseconds. */
export type DurationInput = string | number
/** `64KiB`, `1MiB`, `10MB`, or bytes. */
export type SizeInput = string | number

/** What a configuration file holds, as a TypeScript object. `${NAME}` and `${NAME:-default}` in its text read the environment. */
export interface ConfigInput {
  /** At least one. */
  listeners: Record<string, ListenerInput>
  /** Where /metrics, /readyz and the rest are served; `false`: nowhere. Default `127.0.0.1:9901`. */
  admin?: false | { address?: string | undefined } | undefined
  /** Run on every route, outermost first. */
  plugins?: PluginListing[] | undefined
  services?: Record<string, ServiceInput> | undefined
  routes?: RouteInput[] | undefined
  /** The pool for CPU-heavy work of plugins. */
  workers?:
    | {
        /** Default: one less than there are cores, at least 1. */
        threads?: number | undefined
        /** Tasks that may wait. Default 64 per thread. */
        maxQueue?: number | undefined
        /** Heap of one thread. Default `256MiB`. */
        maxHeap?: SizeInput | undefined
      }
    | undefined
  /** Processes that share the listeners; `auto`: one a core. Taken up at the next start. Default 1. */
  processes?: number | 'auto' | undefined
  /** False: all HTTP/1 is read and written by Node and undici. Default true. */
  fastLane?: boolean | undefined
  /** How long exchanges under way may take to end after SIGTERM. Default `30s`. */
  drain?: DurationInput | undefined
  log?: { level?: 'debug' | 'info' | 'warn' | 'error' | 'silent' | undefined } | undefined
}

export interface ListenerInput {
  /** `127.0.0.1:8080`, `:8080` for every interface, or `unix:/path`. */
  address: string
  tls?: ListenerTlsInput | undefined
  /** For a client to send its header block. Default `10s`. */
  headersTimeout?: DurationInput | undefined
  /** That a client may pause within a body. Default `60s`. */
  bodyTimeout?: DurationInput | undefined
  /** That an idle connection is kept. Default `60s`. */
  idleTimeout?: DurationInput | undefined
  /** Of a header block. Default `60KiB`. */
  maxHeaderSize?: SizeInput | undefined
  /** Connections at once; further ones are closed. Default 16,384. */
  maxConnections?: number | undefined
  /** False: HTTP/1 alone, neither by ALPN nor by preface. Default true. */
  http2?: boolean | undefined
  /** Streams that one HTTP/2 connection may have open. Default 100. */
  maxStreams?: number | undefined
  /** Addresses and CIDR ranges of peers whose word on who asked is taken. Default none. */
  trustedProxies?: string[] | undefined
  /** Trusted peers begin each connection with a PROXY protocol header, version 1 or 2. Default false. */
  proxyProtocol?: boolean | undefined
  /** Send `Forwarded` (RFC 7239) beside X-Forwarded-*. Default false. */
  forwarded?: boolean | undefined
  /** Send `Via`, both ways, under this name; true: as `outrigger`. Default false. */
  via?: boolean | string | undefined
  /** Answers carry `Server-Timing`. Default false. */
  serverTiming?: boolean | undefined
}

/** PEM files, relative to the configuration. What they hold is taken up anew whenever it changes. */
export interface ListenerTlsInput {
  cert: string
  key: string
  /** The CAs that clients' certificates are verified by. */
  ca?: string | undefined
  /** `request`: a client may show a certificate, and one that does not verify is as none. `require`: it must. Default `none`. */
  clientAuth?: 'none' | 'request' | 'require' | undefined
  /** Default `TLSv1.2`. */
  minVersion?: 'TLSv1.2' | 'TLSv1.3' | undefined
  /** Other certificates, by the name that the client asks for; `*.example.com` matches one label. */
  sni?: { names: string[]; cert: string; key: string }[] | undefined
}

export interface ServiceInput {
  /** `http://host:port`, `https://host:port` or `unix:/path`, or an object with more. */
  endpoints?: (string | EndpointInput)[] | undefined
  /** Default: what the endpoints' URLs say. `h2c`: HTTP/2 without TLS; `h2`: over TLS; `auto`: what the other end settles for. */
  protocol?: 'http' | 'https' | 'h2c' | 'h2' | 'auto' | undefined
  /** How the upstream is verified, and what is shown to it. `ca`, `cert` and `key` are PEM files. */
  tls?:
    | {
        ca?: string | undefined
        cert?: string | undefined
        key?: string | undefined
        /** The name in the upstream's certificate. Default: the host. */
        serverName?: string | undefined
        /** True: the upstream's certificate is not verified. */
        insecure?: boolean | undefined
      }
    | undefined
  /** Run once per service, for every attempt on it. */
  plugins?: PluginListing[] | undefined
  /** Default `5s`. */
  connectTimeout?: DurationInput | undefined
  /** That an idle upstream connection is kept. Default `4s`. */
  keepAlive?: DurationInput | undefined
  /** That a streaming body may pause. Default `5m`. */
  idleTimeout?: DurationInput | undefined
  /** Per endpoint. Default 1,024. */
  maxConnections?: number | undefined
  /** Attempts per endpoint that may wait for a connection. Default 1,024. */
  maxPending?: number | undefined
}

export interface EndpointInput {
  url: string
  /** Its share of requests, from 0. Default 1. */
  weight?: number | undefined
  zone?: string | undefined
  /** 0 is tried first. Default 0. */
  priority?: number | undefined
  tags?: Record<string, string> | undefined
}

export interface MatchInput {
  /** `/orders` alone, or `/orders/*` for what is under it. Default `/*`. */
  path?: string | undefined
  /** Without port; `*.example.com` matches one label or more. */
  host?: string | undefined
  methods?: string[] | undefined
  /** Name to the exact value, or `*` for present. */
  headers?: Record<string, string> | undefined
  /** Parameter to the exact value, or `*` for present. */
  query?: Record<string, string> | undefined
}

export interface RouteInput {
  name: string
  match?: MatchInput | undefined
  /** Names. Default: all of them. */
  listeners?: string[] | undefined
  /** The service that answers. A route has this or `reply`. */
  service?: string | undefined
  /** What is answered at once. A body that is no string is sent as JSON. */
  reply?:
    | {
        /** Default 200. */
        status?: number | undefined
        body?: string | Record<string, unknown> | unknown[] | undefined
        headers?: Record<string, string> | undefined
      }
    | undefined
  /** For the whole exchange; 0 for none. Default `15s`. */
  timeout?: DurationInput | undefined
  /** What becomes of %2f and %5c in a path: 400, or kept as they are. Default `refuse`. */
  encodedSlashes?: 'refuse' | 'keep' | undefined
  /** The pipeline, outermost first. */
  plugins?: PluginListing[] | undefined
}

/** What every plugin's configuration may have beside its own keys. */
export interface CommonPluginInput {
  /** True: as though it were not listed, though still checked. */
  disable?: boolean | undefined
  /** The plugin runs only for requests that all of this holds for. */
  when?: Pick<MatchInput, 'path' | 'methods' | 'headers'> | undefined
  /** When it throws or overruns: the request fails (`close`, the default), or goes on without it (`skip`). */
  onFailure?: 'close' | 'skip' | undefined
  /** For one call of one hook. Default `5s`. */
  hookTimeout?: DurationInput | undefined
}

export type PluginConfigInput = CommonPluginInput & Record<string, unknown>

/**
 * A plugin's name (`'retry'`, `'./plugins/mine.ts'`, `'outrigger-plugin-mine'`), alone or as the one key of its
 * configuration; or the plugin itself, alone or as `[plugin, configuration]`.
 */
export type PluginListing =
  | string
  | Record<string, PluginConfigInput | null>
  | Plugin
  | readonly [Plugin, PluginConfigInput]

/**
 * Gives a configuration its type. A module exports it as its default.
 *
 * @example
 * export default defineConfig({
 *   listeners: { inbound: { address: '127.0.0.1:8080' } },
 *   services: { orders: { endpoints: ['http://127.0.0.1:9001'] } },
 *   routes: [{ name: 'orders', service: 'orders', plugins: ['logging', { retry: { attempts: 3 } }, [mine, { limit: 5 }]] }]
 * })
 */
export function defineConfig(config: ConfigInput): ConfigInput {
  return config
}
