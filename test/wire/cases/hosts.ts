// Which host a request is for: Host, and a target in absolute form.
import type { WireCase } from '../case.js'
import { bad, line, served } from './heads.js'

const hosts = (...values: string[]) =>
  `GET /x HTTP/1.1\r\n${values.map((value) => `host:${value}\r\n`).join('')}\r\n`

function host(name: string, says: string, value: string): WireCase {
  return bad(`host-${name}`, says, hosts(` ${value}`), {
    fields: [[':authority', value]],
    expect: { status: 400, upstream: 'nothing' }
  })
}

export const hostCases: readonly WireCase[] = [
  bad('two-hosts', 'two Hosts', hosts(' a', ' b')),
  bad('two-equal-hosts', 'two Hosts that agree', hosts(' a', ' a')),
  bad('no-host', 'no Host', 'GET /x HTTP/1.1\r\n\r\n'),
  bad('host-empty', 'an empty Host', hosts('')),
  host('space', 'Host: a b', 'a b'),
  host('tab', 'Host: a<TAB>b', 'a\tb'),
  host('slash', 'Host: a/b', 'a/b'),
  host('user', 'Host: u@a', 'u@a'),
  host('query', 'Host: a?b', 'a?b'),
  host('fragment', 'Host: a#b', 'a#b'),
  host('backslash', 'Host: a\\b', 'a\\b'),
  host('scheme', 'Host: http://a', 'http://a'),
  host('list', 'Host: a b, with a comma', 'a, b'),
  host('quote', 'Host: "a"', '"a"'),
  host('high', 'a byte past ASCII in Host', '\xe9'),
  host('percent', 'Host: a%00b', 'a%00b'),
  host('percent-alone', 'Host: a%', 'a%'),
  host('bracket', 'Host: [::1', '[::1'),
  host('brackets', 'Host: [a] is no IPv6 address', '[a]'),
  host('bracket-behind', 'Host: [::1]a', '[::1]a'),
  host('port-letters', 'Host: a:b', 'a:b'),
  host('port-large', 'Host: a:99999', 'a:99999'),
  host('port-two', 'Host: a:80:80', 'a:80:80'),
  host('port-minus', 'Host: a:-1', 'a:-1'),
  host('port-alone', 'Host: :80', ':80'),
  served('host-port', 'Host with a port passes as it is', hosts(' Shop.Example:8080'), {
    expect: { statuses: [200], end: 'open', upstream: ['GET /x'], fields: { host: 'Shop.Example:8080' } }
  }),
  served('host-ipv6', 'Host: [::1]:80', hosts(' [::1]:80'), {
    expect: { statuses: [200], end: 'open', upstream: ['GET /x'], fields: { host: '[::1]:80' } }
  }),
  served(
    'host-dot',
    'Host with a dot at its end is the same host to a route',
    'GET /guarded HTTP/1.1\r\nhost: shop.example.\r\n\r\n',
    {
      note: 'the route for `shop.example` asks for a key',
      h2: {
        fields: [
          [':authority', 'shop.example.'],
          [':path', '/guarded']
        ],
        expect: { status: 401, upstream: 'nothing' }
      },
      expect: { statuses: [401], end: 'open', upstream: 'nothing' }
    }
  ),
  served(
    'host-casing',
    'Host in capitals is the same host to a route',
    'GET /guarded HTTP/1.1\r\nhost: SHOP.Example:80\r\n\r\n',
    {
      note: 'the route for `shop.example` asks for a key',
      expect: { statuses: [401], end: 'open', upstream: 'nothing' }
    }
  ),
  served('host-http10', 'HTTP/1.0 without a Host', 'GET /x HTTP/1.0\r\n\r\n', {
    expect: { statuses: [200], end: 'closed', upstream: ['GET /x'] }
  }),
  served(
    'concatenation',
    'host and path that concatenate alike are two',
    `GET /bc HTTP/1.1\r\nhost: a\r\n\r\nGET /c HTTP/1.1\r\nhost: a.b\r\n\r\nGET /bc HTTP/1.1\r\nhost: a\r\n\r\n`,
    {
      expect: {
        statuses: [200, 200, 200],
        end: 'open',
        upstream: ['GET /bc', 'GET /c', 'GET /bc'],
        also: ({ upstream }) => {
          const seen = upstream.map(
            ({ fields }) => fields.find(([name]) => name.toLowerCase() === 'host')?.[1]
          )
          return seen.join(' ') === 'a a.b a' ? undefined : `hosts ${seen.join(' ')}`
        }
      }
    }
  ),

  served(
    'absolute',
    'an absolute target whose authority differs from Host: the target’s wins',
    line('GET http://right.example/x HTTP/1.1'),
    {
      expect: { statuses: [200], end: 'open', upstream: ['GET /x'], fields: { host: 'right.example' } }
    }
  ),
  served('absolute-guarded', 'and a route is found by it', line('GET http://shop.example/guarded HTTP/1.1'), {
    note: 'the route for `shop.example` asks for a key',
    expect: { statuses: [401], end: 'open', upstream: 'nothing' }
  }),
  served(
    'absolute-hidden',
    'a Host of a guarded route behind another target',
    'GET http://open.example/guarded HTTP/1.1\r\nhost: shop.example\r\n\r\n',
    {
      expect: { statuses: [200], end: 'open', upstream: ['GET /guarded'], fields: { host: 'open.example' } }
    }
  ),
  served('absolute-bare', 'an absolute target without a path', line('GET http://right.example HTTP/1.1'), {
    expect: { statuses: [200], end: 'open', upstream: ['GET /'], fields: { host: 'right.example' } }
  }),
  served(
    'absolute-query',
    'an absolute target with a query and no path',
    line('GET http://right.example?a=1 HTTP/1.1'),
    {
      expect: { statuses: [200], end: 'open', upstream: ['GET /?a=1'], fields: { host: 'right.example' } }
    }
  ),
  served('absolute-casing', 'HTTP://RIGHT.example', line('GET HTTP://RIGHT.example/x HTTP/1.1'), {
    expect: { statuses: [200], end: 'open', upstream: ['GET /x'], fields: { host: 'RIGHT.example' } }
  }),
  served('absolute-dots', 'dots in an absolute target', line('GET http://a/pub/%2e%2e/admin/x HTTP/1.1'), {
    expect: { statuses: [401], end: 'open', upstream: 'nothing' }
  }),
  bad('absolute-user', 'a user in an absolute target', line('GET http://u:p@right.example/x HTTP/1.1')),
  bad('absolute-empty', 'an absolute target without a host', line('GET http:///x HTTP/1.1')),
  bad('absolute-backslash', 'a backslash in the authority', line('GET http://a\\b/x HTTP/1.1')),
  bad('absolute-scheme', 'another scheme', line('GET ftp://a/x HTTP/1.1')),
  bad('absolute-one-slash', 'one slash behind the scheme', line('GET http:/a/x HTTP/1.1')),
  bad('absolute-no-host', 'an absolute target without a Host field', 'GET http://a/x HTTP/1.1\r\n\r\n'),
  bad(
    'absolute-two-hosts',
    'an absolute target and two Hosts',
    'GET http://a/x HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n'
  ),
  bad(
    'absolute-bad-host',
    'an absolute target and a Host that is none',
    'GET http://a/x HTTP/1.1\r\nhost: b c\r\n\r\n'
  )
]
