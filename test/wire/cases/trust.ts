// What a client may claim of itself, and what a plugin may put into a message.
import { get, type Observation, type WireCase } from '../case.js'

const ANSWER = 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\n'

/** These fields are sent; of the request upstream `fields` holds. */
export function asks(
  name: string,
  says: string,
  sent: string[],
  fields: Record<string, string | undefined>,
  more: Partial<WireCase> = {}
): WireCase {
  return {
    id: `trust/${name}`,
    says,
    send: [get('/x', ...sent)],
    shows: Object.keys(fields),
    expect: { statuses: [200], end: 'open', upstream: ['GET /x'], fields },
    ...more
  }
}

/** A field of a peer that nobody trusts: gone, or replaced by what the proxy knows. */
function claims(name: string, field: string, value: string, replaced: string | undefined): WireCase {
  const says = `${field} from a peer that is not trusted is ${replaced === undefined ? 'removed' : 'replaced'}`
  return asks(name, says, [`${field}: ${value}`], { [field.toLowerCase()]: replaced })
}

/** A name that CGI, WSGI and many frameworks cannot tell from another. */
function lookalike(name: string, field: string): WireCase {
  return asks(
    `lookalike-${name}`,
    `\`${field}\` cannot stand in for what the proxy says itself`,
    [`${field}: 9.9.9.9`],
    {
      [field.toLowerCase()]: undefined
    }
  )
}

function impostor(name: string, field: string): WireCase {
  return asks(
    `impostor-${name}`,
    `\`${field}\` cannot stand in for the x-user that a plugin sets`,
    [`${field}: root`],
    {
      ...(field.toLowerCase() === 'x-user' ? {} : { [field.toLowerCase()]: undefined }),
      'x-user': 'alice'
    },
    { setup: 'identity' }
  )
}

/** A plugin sets it with CR and LF; nothing goes out. */
function meddled(part: string): WireCase {
  return {
    id: `trust/newline-${part}`,
    says: `CR and LF in ${part === 'cookie' ? 'a cookie' : `a ${part}`} that a plugin sets`,
    setup: 'meddle',
    ours: true,
    send: [get(`/${part}`)],
    expect: {
      statuses: [500],
      end: 'open',
      upstream: part === 'cookie' || part === 'response' ? [`GET /${part}`] : 'nothing',
      lacks: [/injected/]
    }
  }
}

const last = (name: string) => (seen: Observation) =>
  seen.upstream[0]?.fields.filter(([one]) => one.toLowerCase() === name).length === 1
    ? undefined
    : `not one ${name}`

export const trustCases: readonly WireCase[] = [
  claims('forwarded-for', 'X-Forwarded-For', '9.9.9.9', '127.0.0.1'),
  claims('forwarded-proto', 'X-Forwarded-Proto', 'https', 'http'),
  claims('forwarded-host', 'X-Forwarded-Host', 'evil.example', 'a'),
  claims('forwarded', 'Forwarded', 'for=9.9.9.9;proto=https', undefined),
  asks(
    'forwarded-twice',
    'two X-Forwarded-For become one',
    ['X-Forwarded-For: 9.9.9.9', 'x-forwarded-for: 8.8.8.8'],
    { 'x-forwarded-for': '127.0.0.1' }
  ),
  asks(
    'request-id',
    'x-request-id from a peer that is not trusted is replaced',
    ['x-request-id: mine'],
    {},
    {
      shows: ['x-request-id'],
      expect: {
        statuses: [200],
        end: 'open',
        upstream: ['GET /x'],
        also: (seen) =>
          seen.upstream[0]?.fields.some(
            ([name, value]) => name.toLowerCase() === 'x-request-id' && value === 'mine'
          )
            ? 'the client’s id went upstream'
            : last('x-request-id')(seen)
      }
    }
  ),
  lookalike('forwarded-for-underscores', 'x_forwarded_for'),
  lookalike('forwarded-for-mixed', 'X_Forwarded-For'),
  lookalike('forwarded-proto-dots', 'X.Forwarded.Proto'),
  lookalike('request-id-dots', 'X.Request.Id'),
  asks(
    'trusted-for',
    'X-Forwarded-For from a trusted peer is kept, and the peer is added',
    ['x-forwarded-for: 9.9.9.9'],
    { 'x-forwarded-for': '9.9.9.9, 127.0.0.1' },
    { setup: 'trusted' }
  ),
  asks(
    'trusted-proto-host',
    'X-Forwarded-Proto and -Host from a trusted peer are kept',
    ['x-forwarded-proto: https', 'x-forwarded-host: shop.example'],
    { 'x-forwarded-proto': 'https', 'x-forwarded-host': 'shop.example' },
    { setup: 'trusted' }
  ),
  asks(
    'trusted-request-id',
    'x-request-id from a trusted peer is kept',
    ['x-request-id: theirs'],
    { 'x-request-id': 'theirs' },
    {
      setup: 'trusted'
    }
  ),
  asks(
    'trusted-lookalike',
    'a trusted peer’s `x_forwarded_for` is still none',
    ['x_forwarded_for: 9.9.9.9'],
    { x_forwarded_for: undefined },
    { setup: 'trusted' }
  ),
  impostor('plain', 'x-user'),
  impostor('casing', 'X-USER'),
  impostor('underscore', 'x_user'),
  impostor('dot', 'X.User'),
  impostor('underscore-capitals', 'X_USER'),
  asks(
    'impostor-twice',
    'two x-user and a plugin’s: one is left',
    ['x-user: root', 'X-User: admin'],
    { 'x-user': 'alice' },
    {
      setup: 'identity'
    }
  ),
  meddled('header'),
  meddled('header-name'),
  meddled('attempt-header'),
  meddled('path'),
  meddled('query'),
  meddled('host'),
  meddled('cookie'),
  meddled('response'),
  meddled('reply'),
  {
    id: 'trust/proto-field',
    says: 'a field named `__proto__`, `constructor` or `toString` is a field, both ways',
    send: [get('/x', '__proto__: in', 'constructor: in', 'toString: in')],
    upstream: [`${ANSWER}__proto__: out\r\nconstructor: out\r\nhasOwnProperty: out\r\n\r\nok`],
    shows: ['__proto__', 'constructor', 'tostring'],
    expect: {
      statuses: [200],
      end: 'open',
      upstream: ['GET /x'],
      holds: [/\r\n__proto__: out\r\n/, /\r\nconstructor: out\r\n/, /\r\nhasOwnProperty: out\r\n/],
      also: ({ upstream }) =>
        upstream[0]?.fields.filter(([, value]) => value === 'in').length === 3
          ? undefined
          : 'not all three arrived'
    }
  },
  asks(
    'repeated',
    'repeated fields stay repeated, in order, with their casing',
    ['X-A: 1', 'Cookie: a=1', 'x-a: 2', 'cookie: b=2', 'X-a: 3'],
    {},
    {
      shows: ['x-a', 'cookie'],
      h2: 'HTTP/2 names are in lower case',
      expect: {
        statuses: [200],
        end: 'open',
        upstream: ['GET /x'],
        also: ({ upstream }) => {
          const own = upstream[0]?.fields
            .filter(([name]) => /^(x-a|cookie)$/i.test(name))
            .map((field) => field.join(': '))
          return own?.join('|') === 'X-A: 1|Cookie: a=1|x-a: 2|cookie: b=2|X-a: 3'
            ? undefined
            : `${own?.join('|')}`
        }
      }
    }
  ),
  {
    id: 'trust/set-cookies',
    says: 'each set-cookie stays one, in order, with its casing',
    send: [get('/x')],
    upstream: [
      `HTTP/1.1 200 Fine\r\nset-cookie: a=1\r\nX-CamelCase: One\r\nSet-Cookie: b=2; Path=/; Expires=Thu, 01 Jan 2032 00:00:00 GMT\r\nContent-Length: 2\r\nset-cookie: c\r\n\r\nok`
    ],
    expect: {
      statuses: [200],
      end: 'open',
      upstream: ['GET /x'],
      holds: [/^HTTP\/1\.1 200 Fine\r\n/],
      also: ({ fields }) => {
        const own = fields.filter((line) => /^(set-cookie|x-camelcase):/i.test(line)).join('|')
        const wanted =
          'set-cookie: a=1|X-CamelCase: One|Set-Cookie: b=2; Path=/; Expires=Thu, 01 Jan 2032 00:00:00 GMT|set-cookie: c'
        return own === wanted ? undefined : own
      }
    }
  }
]
