import type { ListenerConfig } from '../config/types.js'
import type { Entry } from '../exchange/pipeline.js'

/** A listener's configuration with every default, of one that is never opened. */
export const TEST_LISTENER: ListenerConfig = {
  name: 'test',
  address: { kind: 'tcp', host: '127.0.0.1', port: 0 },
  tls: undefined,
  headersTimeout: 10_000,
  bodyTimeout: 60_000,
  idleTimeout: 60_000,
  maxHeaderSize: 61_440,
  maxConnections: 16_384,
  http2: true,
  maxStreams: 100,
  trustedProxies: [],
  proxyProtocol: false,
  forwarded: false,
  via: undefined,
  serverTiming: false,
  fastLane: true
}

/** Where requests without a socket come in. */
export function testEntry(): Entry {
  return {
    name: TEST_LISTENER.name,
    scheme: 'http',
    bodyTimeout: TEST_LISTENER.bodyTimeout,
    draining: false,
    trusted: undefined,
    forwarded: false,
    via: undefined,
    serverTiming: false,
    cutting: false,
    exchanges: 0,
    upgraded: () => {},
    upgradeEnded: () => {}
  }
}
