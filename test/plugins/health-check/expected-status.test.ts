import t from 'tap'
import { expectation, statusRange } from '../../../plugins/health-check/expected-status.js'

t.test('a status, a class and a range', async (t) => {
  const written: [unknown, readonly [number, number] | undefined][] = [
    [200, [200, 200]],
    ['204', [204, 204]],
    ['2xx', [200, 299]],
    ['5XX', [500, 599]],
    ['200-299', [200, 299]],
    ['200 - 204', [200, 204]],
    ['401-401', [401, 401]],
    [199, undefined],
    [600, undefined],
    [200.5, undefined],
    ['1xx', undefined],
    ['6xx', undefined],
    ['299-200', undefined],
    ['100-299', undefined],
    ['200-', undefined],
    ['20', undefined],
    ['', undefined],
    ['ok', undefined],
    [null, undefined]
  ]
  for (const [value, range] of written) t.same(statusRange(value), range, JSON.stringify(value))
})

t.test('what is expected, and nothing else', async (t) => {
  const isExpected = expectation([204, '3xx', '401-403'])
  const passing = Array.from({ length: 1000 }, (_, status) => status).filter(isExpected)
  t.same(passing, [204, ...Array.from({ length: 100 }, (_, i) => 300 + i), 401, 402, 403])
})
