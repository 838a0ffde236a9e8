import { type Client, ProxyError } from '../../core/index.js'
import { allowedName } from './certificate-names.js'
import type { MtlsConfig } from './mtls-config.js'
import type { PromptWay } from './way.js'

type Certificate = NonNullable<Client['certificate']>

/** The certificate of the connection, which the listener has verified. */
export function mtlsWay({ allow }: MtlsConfig): PromptWay<Certificate> {
  const nameOf = allowedName(allow)
  return {
    // None is registered; a 401 has to have one (RFC 9110 section 15.5.2).
    challenge: 'ClientCertificate',
    needed: 'a client certificate is needed',
    take: ({ client }) => client.certificate,
    verify(certificate) {
      const identity = nameOf(certificate)
      if (identity === undefined)
        throw new ProxyError('FORBIDDEN', 'the client certificate has no name that is allowed')
      return { identity }
    }
  }
}
