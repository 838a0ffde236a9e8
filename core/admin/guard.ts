import { isIP } from 'node:net'

/** What the guard looks at; undefined where the client did not send it. */
export interface Knock {
  method: string
  host: string | undefined
  origin: string | undefined
  fetchSite: string | undefined
}

/**
 * Why a request is not let in, or undefined when it is.
 *
 * The admin asks for no password, so two kinds of page in an operator's browser must not reach it: one whose name was
 * pointed at this address after it was loaded (it sends that name in `host`: an address cannot be pointed elsewhere,
 * hence only names are checked), and one that posts a form here (the browser says so in `origin` or
 * `sec-fetch-site`). curl and probes send neither and are let in.
 *
 * @param address the admin's own, as in `Proxy.addresses`; undefined while it is not known
 */
export function refusal(knock: Knock, address: string | undefined): string | undefined {
  // No browser reaches a Unix socket, and its clients put anything in `host`.
  if (address?.startsWith('unix:')) return undefined
  if (knock.host !== undefined) {
    const name = hostname(knock.host)
    if (name === undefined) return 'the host header is not a host'
    const own = address === undefined ? undefined : hostname(address.replace(/^https?:\/\//, ''))
    if (!isTrusted(name) && name !== own) {
      return `this admin is not called ${name}: use its address, or localhost`
    }
  }
  if (knock.method === 'GET' || knock.method === 'HEAD') return undefined
  if (knock.origin !== undefined && knock.origin !== `http://${knock.host}`) {
    return 'a page of another origin may not do this'
  }
  if (knock.fetchSite !== undefined && knock.fetchSite !== 'same-origin' && knock.fetchSite !== 'none') {
    return 'a page of another site may not do this'
  }
  return undefined
}

function hostname(host: string): string | undefined {
  // A userinfo or a path in `host` would hide the name that follows or precedes it.
  if (!/^[^\s/@?#\\]+$/.test(host)) return undefined
  try {
    return new URL(`http://${host}`).hostname.replace(/^\[|\]$/g, '').replace(/\.$/, '')
  } catch {
    return undefined
  }
}

function isTrusted(name: string): boolean {
  return name === 'localhost' || name.endsWith('.localhost') || isIP(name) !== 0
}
