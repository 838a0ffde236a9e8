import type { Connection, UpstreamOptions } from './connection.js'
import { Http2Upstream } from './http2.js'
import { Negotiated } from './negotiate.js'
import { Upstream } from './upstream.js'

/** The way to an endpoint, by what it speaks. Nothing is connected to before the first request. */
export function connectionFor(options: UpstreamOptions): Connection {
  switch (options.protocol) {
    case 'h2':
    case 'h2c':
      return new Http2Upstream(options)
    case 'auto':
      return new Negotiated(options)
    default:
      return new Upstream(options)
  }
}
