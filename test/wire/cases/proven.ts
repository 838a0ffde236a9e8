// Lines of the list that take more than bytes to show: another proxy's configuration, a certificate, a second of time.
import type { ProvenCase } from '../case.js'

const BODIES = 'test/wire/bodies.test.ts'
const ENDS = 'test/wire/ends.test.ts'
const RETRIES = 'test/wire/retries.test.ts'
const TLS = 'test/wire/tls-upstream.test.ts'
const WEBSOCKET = 'test/wire/websocket.test.ts'
const IDENTITY = 'test/wire/identity.test.ts'
const FORWARDED = 'test/wire/identity-fields.test.ts'
const RELOAD = 'test/core/server/reload.test.ts'
const FOUND = 'test/wire/fuzz-found.test.ts'
const HOSTILE = 'test/core/server/hostile.test.ts'

function shown(id: string, says: string, file: string, test: string): ProvenCase {
  return { id: `gaps/${id}`, says, file, test }
}

export const proven: readonly ProvenCase[] = [
  shown(
    'retried-post',
    'a POST that is retried arrives whole, once',
    RETRIES,
    '1. a POST that is retried arrives whole'
  ),
  shown(
    'retried-chunked',
    'and so does a chunked one past the replay buffer',
    RETRIES,
    '1. a chunked POST past the replay buffer'
  ),
  shown(
    'retried-lost',
    'what can no longer be replayed is not repeated',
    RETRIES,
    '1. a POST whose body can no longer be replayed'
  ),
  shown('503', '503 is not retried unless a plugin asks', RETRIES, '2. 503 is not retried'),
  shown('discarded', 'discarded responses are drained or destroyed', RETRIES, '3. discarded responses'),
  shown(
    'discarded-small',
    'a small one leaves its connection usable',
    RETRIES,
    '3. a small discarded response'
  ),
  shown('endpoint-anew', 'each attempt chooses its endpoint anew', RETRIES, '4. each attempt chooses'),
  shown(
    'text-plain',
    'a body passes byte for byte, whatever type it claims',
    BODIES,
    '5. text/plain passes byte for byte'
  ),
  shown('text-plain-streams', 'and streams', BODIES, '5. text/plain streams'),
  shown('text-plain-large', 'and whole, when large', BODIES, '5. a large text/plain upload'),
  shown('early-refusal', 'an early refusal comes without a 100', BODIES, '6. an early refusal'),
  shown(
    'client-leaves',
    'the client leaves before the answer: cancelled within 100 ms',
    ENDS,
    '8. the client leaves before'
  ),
  shown('client-leaves-later', 'and during it', ENDS, '8. the client leaves during'),
  shown(
    'refusals',
    'refused, reset, none and silent: 502, 503, 504, and no address',
    ENDS,
    '10. refused and reset'
  ),
  shown('attempt-timeout', 'an attempt’s own timeout is 504', ENDS, '10. an attempt’s own timeout'),
  shown('certificates', 'upstream certificates are verified, by name', ENDS, '11. an upstream’s certificate'),
  shown('slow-reader', 'a slow reader holds the upstream back', HOSTILE, 'a slow reader holds'),
  shown('early-answers', 'many uploads whose upstream answers early', HOSTILE, 'many uploads whose upstream'),
  shown(
    'refused-large',
    'a refusal during a large upload can be read',
    HOSTILE,
    'a Reply while a large upload'
  ),
  shown(
    'stale',
    'an idle connection that ends as it is used: a GET is not lost',
    HOSTILE,
    'an idle upstream connection'
  ),
  shown(
    'pipeline-left',
    'a client that leaves with requests in its pipeline',
    HOSTILE,
    'a client that leaves with requests'
  ),
  shown(
    'certificates-renewed',
    'and renewed without a reload',
    TLS,
    'a service’s CA and certificate are renewed'
  ),
  shown(
    'websocket-101',
    'WebSocket: the client’s 101 comes after the upstream’s',
    WEBSOCKET,
    'the 101 comes after'
  ),
  shown('websocket-401', 'an upstream’s 401 is a 401', WEBSOCKET, 'an upstream’s 401 is a 401'),
  shown(
    'websocket-fields',
    'cookies, credentials and subprotocols pass',
    WEBSOCKET,
    'cookies, credentials, the path'
  ),
  shown(
    'websocket-plugins',
    'the same plugins ran as on any request',
    WEBSOCKET,
    'the plugins of any request ran'
  ),
  shown(
    'websocket-200',
    'an upstream that answers 200 to an upgrade gets no tunnel',
    WEBSOCKET,
    'an upstream that answers 200'
  ),
  shown(
    'websocket-tls',
    'over TLS on both sides, the certificate verified',
    WEBSOCKET,
    'over TLS on both sides'
  ),
  shown(
    'reload',
    'a reload leaves unchanged endpoints alone',
    RELOAD,
    'unchanged endpoints keep what is known'
  ),
  shown('reload-exchange', 'and exchanges under way', RELOAD, 'the old configuration’s plugins close when'),
  shown(
    'client',
    'the client is the rightmost address that is not trusted',
    IDENTITY,
    'the client is the rightmost'
  ),
  shown('forwarded', 'Forwarded is what RFC 7239 says it is', FORWARDED, 'Forwarded is what RFC 7239'),
  shown(
    'http2-error',
    'HTTP/2: a connection error leaves no exchange under way',
    FOUND,
    'a connection error does not leave'
  ),
  shown(
    'http2-broken',
    'HTTP/2: an upstream that breaks mid-body is a reset',
    FOUND,
    'an upstream that breaks mid-body'
  ),
  shown(
    'paused-end',
    'an upstream that ends its connection while its body is held back',
    FOUND,
    'an upstream that ends its connection'
  )
]
