// One path for match, plugins and upstream.
import { get, type Http2Case, refused, type Setup, type WireCase } from '../case.js'

const KEY = 'x-api-key: sesame'

function over2(target: string, status: number, upstream: 'nothing' | readonly string[]): Http2Case {
  return { fields: [[':path', target]], expect: { status, upstream } }
}

/** 400, whoever it is. */
function bad(name: string, target: string, says = '', setup: Setup = 'main'): WireCase {
  return refused(`paths/${name}`, shown(target, says), get(target, KEY), {
    setup,
    h2: over2(target, 400, 'nothing')
  })
}

/** It is the guarded path, for whoever comes without a key and for the upstream. */
function guarded(name: string, target: string, upstream: string, says = ''): WireCase[] {
  return [
    {
      id: `paths/${name}`,
      says: `${shown(target, says)}, without a key`,
      send: [get(target)],
      h2: over2(target, 401, 'nothing'),
      expect: { statuses: [401], end: 'open', upstream: 'nothing' }
    },
    {
      id: `paths/${name}-with-key`,
      says: `${shown(target, says)}, with a key`,
      send: [get(target, KEY)],
      expect: { statuses: [200], end: 'open', upstream: [`GET ${upstream}`] }
    }
  ]
}

/** No guarded path, and what is matched is what arrives. */
function open(name: string, target: string, upstream: string, says = '', setup: Setup = 'main'): WireCase {
  return {
    id: `paths/${name}`,
    says: shown(target, says),
    setup,
    send: [get(target)],
    h2: over2(target, 200, [`GET ${upstream}`]),
    expect: { statuses: [200], end: 'open', upstream: [`GET ${upstream}`] }
  }
}

function shown(target: string, says: string): string {
  const code = `\`${target.replace(/[^\x20-\x7e]/g, (byte) => `<${byte.charCodeAt(0).toString(16)}>`)}\``
  return says === '' ? code : `${code}: ${says}`
}

export const pathCases: readonly WireCase[] = [
  ...guarded('plain', '/admin/x', '/admin/x'),
  ...guarded('dots', '/pub/../admin/x', '/admin/x'),
  ...guarded('dot', '/./admin/./x', '/admin/x'),
  ...guarded('encoded-dots', '/pub/%2e%2e/admin/x', '/admin/x'),
  ...guarded('encoded-dots-capitals', '/pub/%2E%2e/admin/x', '/admin/x'),
  ...guarded('half-encoded-dots', '/pub/.%2e/admin/x', '/admin/x'),
  ...guarded('slashes', '//admin/x', '/admin/x'),
  ...guarded('many-slashes', '/pub/..////admin///x', '/admin/x'),
  ...guarded('encoded-prefix', '/%61dmin/x', '/admin/x'),
  ...guarded('encoded-all', '/%61%64%6d%69%6e/x', '/admin/x'),
  ...guarded('back-and-forth', '/admin/../admin/x', '/admin/x'),
  ...guarded('bare', '/admin', '/admin'),
  ...guarded('folder', '/admin/', '/admin/'),
  ...guarded('end-dots', '/admin/x/..', '/admin/'),
  ...guarded('query', '/pub/../admin/x?a=/../b', '/admin/x?a=/../b', 'a query is no path'),
  bad('backslash', '/pub/..\\admin/x'),
  bad('backslash-prefix', '\\admin/x'),
  bad('backslash-slash', '/\\admin/x'),
  bad('encoded-backslash', '/pub/..%5cadmin/x'),
  bad('encoded-slash', '/pub%2f..%2fadmin/x'),
  bad('encoded-slash-dots', '/pub/..%2fadmin/x'),
  bad('encoded-slash-prefix', '/%2fadmin/x'),
  bad('encoded-slash-inside', '/pub/a%2Fb'),
  bad('semicolon-dots', '/pub/..;/admin/x', 'a servlet container climbs here'),
  bad('semicolon-dots-value', '/pub/..;a=b/admin/x'),
  bad('semicolon-encoded-dots', '/pub/%2e%2e;/admin/x'),
  bad('encoded-semicolon-dots', '/pub/..%3b/admin/x'),
  open('semicolon', '/admin;x', '/admin;x', 'another path, to match and upstream alike'),
  open('semicolon-encoded', '/admin%3bx', '/admin%3Bx'),
  bad('nul', '/admin%00', 'an encoded NUL'),
  bad('nul-inside', '/pub/%00/../admin/x'),
  bad('percent', '/%', 'a lone %'),
  bad('percent-end', '/pub/x%'),
  bad('percent-digit', '/pub/%2'),
  bad('percent-letters', '/pub/%zz'),
  bad('percent-unicode', '/pub/%u002e%u002e/admin/x'),
  bad('fragment', '/pub#/../admin/x', 'a fragment'),
  bad('fragment-query', '/pub?a#b', 'a fragment behind a query'),
  bad('climbs', '/..'),
  bad('climbs-out', '/../admin/x'),
  bad('climbs-far', '/pub/../../admin/x'),
  bad('climbs-encoded', '/%2e%2e/admin/x'),
  bad('overlong', '/pub/%c0%ae%c0%ae/admin/x', 'overlong UTF-8'),
  bad('overlong-slash', '/pub%c0%af..%c0%afadmin', 'overlong UTF-8'),
  bad('not-utf8', '/pub/%ff', 'bytes that are no UTF-8'),
  bad('not-utf8-raw', '/pub/\xff', 'bytes that are no UTF-8'),
  bad('surrogate', '/pub/%ed%a0%80', 'half a surrogate pair'),
  bad('control', '/pub/\x01', 'a control character'),
  bad('delete', '/pub/\x7f', 'a DEL'),
  open('encoded-control', '/pub/%01', '/pub/%01'),
  open('encoded-newline', '/pub/%0d%0ax-a:1', '/pub/%0D%0Ax-a:1', 'stays encoded'),
  open('utf8', '/pub/%c3%a9', '/pub/%C3%A9'),
  bad('utf8-raw', '/pub/\xc3\xa9', 'UTF-8 that is not encoded'),
  open('double', '/pub/%252e%252e/admin', '/pub/%252e%252e/admin', 'decoded once'),
  open('double-slash', '/pub/a%252fb', '/pub/a%252fb', 'decoded once'),
  open('casing', '/ADMIN/x', '/ADMIN/x', 'another path'),
  open('dots-inside', '/pub/a..b/...', '/pub/a..b/...', 'no dot segments'),
  open('dot-end', '/pub/.', '/pub/'),
  open('dots-end', '/pub/x/..', '/pub/'),
  open('root', '/pub/..', '/'),
  open('slashes-inside', '/pub//x', '/pub/x'),
  open('reserved', "/pub/!$&'()*+,;=:@~", "/pub/!$&'()*+,;=:@~"),
  open('reserved-encoded', '/pub/%3d%40', '/pub/%3D%40', 'what is reserved stays encoded'),
  open(
    'query-odd',
    '/pub?a=%zz&b=//..%2f&c=[]{}|',
    '/pub?a=%zz&b=//..%2f&c=[]{}|',
    'a query passes as it is'
  ),
  open('query-empty', '/pub?', '/pub?'),
  open('query-questions', '/pub??a?b', '/pub??a?b'),
  open('keep-slash', '/pub/a%2fb', '/pub/a%2Fb', '`encodedSlashes: keep`', 'keep'),
  open('keep-backslash', '/pub/a%5cb', '/pub/a%5Cb', '`encodedSlashes: keep`', 'keep'),
  open('keep-prefix', '/pub%2fadmin', '/pub%2Fadmin', '`encodedSlashes: keep`', 'keep'),
  bad('keep-dots', '/pub/..%2fadmin/x', '`encodedSlashes: keep` keeps no dots beside them', 'keep'),
  bad('keep-dots-behind', '/pub/a%2f../admin/x', '`encodedSlashes: keep` keeps no dots beside them', 'keep'),
  bad(
    'keep-encoded-dots',
    '/pub/%2e%2e%2fadmin/x',
    '`encodedSlashes: keep` keeps no dots beside them',
    'keep'
  ),
  bad(
    'keep-dot-between',
    '/pub/a%2f.%2f..%2fadmin',
    '`encodedSlashes: keep` keeps no dots beside them',
    'keep'
  ),
  bad('keep-backslash-raw', '/pub/a\\b', '`encodedSlashes: keep` is about encoded ones', 'keep')
]
