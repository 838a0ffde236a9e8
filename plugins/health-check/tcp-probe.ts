import { connect, type NetConnectOpts } from 'node:net'
import type { Clock, Endpoint } from '../../core/index.js'
import { type Probe, timedOut, type Verdict } from './probe.js'

/** A connection of its own, closed as soon as it is there. Without TLS, whatever the endpoint speaks. */
export function tcpProbe(timeout: number, clock: Clock): Probe {
  const targets = new WeakMap<Endpoint, NetConnectOpts>()
  return (endpoint, signal) => {
    let target = targets.get(endpoint)
    if (target === undefined) targets.set(endpoint, (target = targetOf(endpoint.url)))
    return knock(target, timeout, clock, signal)
  }
}

function knock(target: NetConnectOpts, timeout: number, clock: Clock, signal: AbortSignal): Promise<Verdict> {
  return new Promise((resolve) => {
    const socket = connect(target)
    const end = (passed: boolean, reason: string) => {
      timer.cancel()
      signal.removeEventListener('abort', giveUp)
      // An error may still come, of a connection that nobody waits for.
      socket.on('error', () => {})
      socket.destroy()
      resolve({ passed, reason: `tcp: ${reason}` })
    }
    const giveUp = () => end(false, 'given up')
    const timer = clock.setTimeout(() => end(false, timedOut(timeout)), timeout)
    signal.addEventListener('abort', giveUp, { once: true })
    socket.once('connect', () => end(true, 'connected'))
    socket.once('error', () => end(false, 'no connection'))
  })
}

/** Where an endpoint's connections go, by its URL: `unix:/path`, or host and port, 80 and 443 by their scheme. */
function targetOf(url: string): NetConnectOpts {
  if (url.startsWith('unix:')) return { path: url.slice('unix:'.length) }
  const { hostname, port, protocol } = new URL(url)
  return {
    host: hostname.replace(/^\[|\]$/g, ''),
    port: port === '' ? (protocol === 'https:' ? 443 : 80) : Number(port)
  }
}
