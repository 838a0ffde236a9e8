// A proxy in front of an echo, and what a client may claim of itself, for the tests of who asked.
import type { Test } from 'tap'
import { definePlugin } from '../../core/index.js'
import { get, get2 } from '../core/server/front-client.js'
import { startTestProxy } from '../support/proxy.js'
import { echo, startUpstream } from '../support/upstream.js'

export const versions = { 'HTTP/1.1': get, 'HTTP/2': get2 }
export const HOST = 'shop.example'

interface Setup {
  listener?: Record<string, unknown>
  plugins?: readonly object[]
  route?: Record<string, unknown>
}

export async function start(t: Test, { listener = {}, plugins = [], route = {} }: Setup = {}) {
  const addresses: string[] = []
  const ids: string[] = []
  const who = definePlugin({
    name: 'who',
    setup: () => ({
      request: ({ client, id }) => {
        addresses.push(client.address)
        ids.push(id)
      }
    })
  })
  const upstream = await startUpstream(t, echo)
  const proxy = await startTestProxy(t, {
    endpoints: [upstream.url],
    plugins: [who, ...plugins],
    route,
    config: { listeners: { in: { address: '127.0.0.1:0', ...listener } } }
  })
  return { url: proxy.url(), addresses, ids }
}

export const TRUSTED = { trustedProxies: ['127.0.0.1', '10.0.0.0/8', 'fd00::/8'] }

/** As a client would claim to be somebody, and as some services would read it. */
export const CLAIMS = [
  'X-Forwarded-For: 198.51.100.1',
  'X-Forwarded-Proto: https',
  'X-Forwarded-Host: evil.example',
  'Forwarded: for=198.51.100.1;proto=https;host=evil.example',
  'X-Request-Id: mine'
]
