import type { ProxyError } from '../errors.js'
import type { Logger } from '../hooks/plugin.js'
import type { EndpointState } from './endpoint.js'

/** ms in which an endpoint's same trouble is told once: an outage is one line and not one per request. */
const QUIET = 10_000

const HINTS: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'nothing listens there',
  ENOENT: 'there is no such socket',
  ENOTFOUND: 'the name does not resolve',
  EAI_AGAIN: 'the name does not resolve now',
  UND_ERR_CONNECT_TIMEOUT: 'no answer within connectTimeout',
  CERT_HAS_EXPIRED: 'its certificate has expired',
  DEPTH_ZERO_SELF_SIGNED_CERT: 'its certificate is signed by itself: set tls.ca',
  SELF_SIGNED_CERT_IN_CHAIN: 'its CA is not known: set tls.ca',
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: 'its CA is not known: set tls.ca',
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: 'its CA is not known: set tls.ca',
  ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED: 'it wants a client certificate: set tls.cert and tls.key',
  ERR_SSL_SSLV3_ALERT_HANDSHAKE_FAILURE: 'it may want a client certificate (tls.cert, tls.key)',
  ERR_SSL_TLSV1_ALERT_UNKNOWN_CA: 'it does not know the CA of tls.cert',
  ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION: 'it speaks no version of TLS that is spoken here',
  ERR_TLS_CERT_ALTNAME_INVALID: 'its certificate is for another name: set tls.serverName'
}

/** Says why an attempt failed, which the client is not told. */
export function tellTrouble(endpoint: EndpointState, error: ProxyError, now: number, log: Logger): void {
  const cause = error.cause as (Error & { code?: string }) | undefined
  const kind = cause?.code ?? error.code
  if (endpoint.trouble === kind && now - endpoint.troubleToldAt < QUIET) return
  endpoint.trouble = kind
  endpoint.troubleToldAt = now
  // OpenSSL's own words hold places in its sources.
  const why = kind.startsWith('ERR_SSL_') ? kind : (cause?.message ?? error.message)
  const hint = HINTS[kind]
  log.warn(
    { service: endpoint.service, endpoint: endpoint.url, code: error.code, cause: kind },
    `service ${endpoint.service}: ${endpoint.url}: ${why}${hint === undefined ? '' : ` (${hint})`}`
  )
}

/** An endpoint in trouble has answered. */
export function tellRecovery(endpoint: EndpointState, log: Logger): void {
  log.info(
    { service: endpoint.service, endpoint: endpoint.url },
    `service ${endpoint.service}: ${endpoint.url} answers again`
  )
  endpoint.trouble = undefined
}
