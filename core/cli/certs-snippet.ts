import { join } from 'node:path'
import type { Leaf } from './certs-leaves.js'

/** What a configuration says to use a certificate on both sides, for whoever made it to paste. */
export function snippet(folder: string, { base, dns }: Leaf): string {
  const [cert, key, ca] = [`${base}.pem`, `${base}.key`, 'ca.pem'].map((file) => scalar(join(folder, file)))
  return `# In a configuration in this folder. TLS, and mTLS by the last two lines of "tls":
listeners:
  secure:
    address: 127.0.0.1:8443
    tls:
      cert: ${cert}
      key: ${key}
      ca: ${ca}
      clientAuth: require # or request, or leave "ca" and "clientAuth" away for TLS alone

# A service that speaks TLS with a certificate of this CA:
services:
  upstream:
    endpoints: [ "https://localhost:9443" ]
    tls: { ca: ${ca}, cert: ${cert}, key: ${key} }

# Try it: curl --cacert ${ca} --cert ${cert} --key ${key} https://${dns.includes('localhost') ? 'localhost' : dns[0]}:8443/`
}

function scalar(path: string): string {
  return /^[\w./][\w./-]*$/.test(path) ? path : JSON.stringify(path)
}
