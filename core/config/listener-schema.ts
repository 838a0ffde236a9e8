import { z } from 'zod'
import { address } from './address.js'
import { pemFile } from './pem-schema.js'
import { expected } from './quote.js'
import { addressRange } from './ranges.js'
import { duration, size } from './units.js'

const whole = (min: number, max: number) => z.int().min(min).max(max)

/** RFC 9110 section 5.6.2. */
const TOKEN = /^[!#$%&'*+\-.^_`|~\dA-Za-z]+$/
const VIA = {
  error: ({ input }: { input?: unknown }) => expected('true, false or a name without spaces', input)
}

const LABEL = '[a-z\\d_]([a-z\\d_-]{0,61}[a-z\\d_])?'
const SERVER_NAME = new RegExp(`^(\\*\\.)?${LABEL}(\\.${LABEL})*$`)

/** A name that a client asks for in its hello (RFC 6066 section 3). An address is never one. */
const serverName = z
  .string()
  .toLowerCase()
  .superRefine((text, context) => {
    if (SERVER_NAME.test(text) && text.length <= 253 && !/^[\d.]+$/.test(text)) return
    const message = expected('a name such as shop.example.com or *.example.com', text)
    const hint = /^[\d.]+$|^\[|:.*:/.test(text)
      ? ': who connects to an address asks for no name'
      : /:\d+$/.test(text)
        ? ': without its port'
        : ''
    context.addIssue({ code: 'custom', message: message + hint })
  })
  .meta({
    description: 'Without port; `*.example.com` matches one label.',
    examples: ['shop.example.com', '*.example.com']
  })

const tls = z.strictObject({
  cert: pemFile('The certificate, with those between it and its CA behind it.'),
  key: pemFile('Its key.'),
  ca: pemFile("The CAs that clients' certificates are verified by.").optional(),
  clientAuth: z
    .enum(['none', 'request', 'require'])
    .describe(
      'Whether clients show a certificate. request: one may, and one that does not verify is as none. require: it must.'
    )
    .default('none'),
  minVersion: z
    .enum(['TLSv1.2', 'TLSv1.3'])
    .describe('The oldest version that is spoken.')
    .default('TLSv1.2'),
  sni: z
    .array(
      z.strictObject({
        names: z
          .array(serverName)
          .min(1)
          .describe('The names that it is for; *.example.com for one label more.'),
        cert: pemFile('The certificate for these names.'),
        key: pemFile('Its key.')
      })
    )
    .describe('Other certificates, by the name that the client asks for.')
    .default([])
})

/** One address that requests come in on. */
export const listener = z.strictObject({
  address: address.describe(
    'Where to accept requests: 127.0.0.1:8080, :8080 for every interface, or unix:/path.'
  ),
  tls: tls.describe('Accept TLS with this certificate.').optional(),
  headersTimeout: duration({ min: 1 }).describe('For a client to send its header block.').default('10s'),
  bodyTimeout: duration({ min: 1 }).describe('That a client may pause within a body.').default('60s'),
  idleTimeout: duration({ min: 1 }).describe('That an idle connection is kept.').default('60s'),
  maxHeaderSize: size({ min: 1024, max: 1024 ** 2 })
    .describe('Of a header block.')
    .default('60KiB'),
  maxConnections: whole(1, 1_000_000)
    .describe('Connections at once; further ones are closed.')
    .default(16_384),
  http2: z.boolean().describe('False: HTTP/1 alone, neither by ALPN nor by preface.').default(true),
  maxStreams: whole(1, 65_535).describe('Streams that one HTTP/2 connection may have open.').default(100),
  trustedProxies: z
    .array(addressRange)
    .describe('Peers whose word on who asked is taken (X-Forwarded-For, PROXY protocol, x-request-id).')
    .default([]),
  proxyProtocol: z
    .boolean()
    .describe('Trusted peers begin each connection with a PROXY protocol header, version 1 or 2.')
    .default(false),
  forwarded: z
    .boolean()
    .describe('Send Forwarded (RFC 7239) beside X-Forwarded-For and the like.')
    .default(false),
  via: z
    .union([z.boolean(VIA), z.string(VIA).regex(TOKEN, VIA)], VIA)
    .describe('Send Via, both ways, under this name. true: as "outrigger".')
    .default(false),
  serverTiming: z.boolean().describe('Answers carry Server-Timing.').default(false)
})
