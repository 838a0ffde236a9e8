import t from 'tap'
import { describeFailure, UsageError } from '../../../core/cli/failure.js'
import { ConfigError } from '../../../core/config/problem.js'
import { StartError } from '../../../core/server/types.js'

t.test('a configuration: one line each, and how many', async (t) => {
  const error = new ConfigError([
    { at: 'a.yaml:1:2', path: 'routes[0]', message: 'first\n  over two lines' },
    { at: undefined, path: '', message: 'second' }
  ])
  t.same(describeFailure(error, false), {
    lines: ['a.yaml:1:2: routes[0]: first over two lines', 'second', '2 errors'],
    exitCode: 1
  })
  t.equal(
    describeFailure(new ConfigError([{ at: undefined, path: 'a', message: 'b' }]), false).lines.at(-1),
    '1 error'
  )
})

t.test('one line and no stack, unless it is asked for', async (t) => {
  const cause = new Error('EADDRINUSE')
  const error = new StartError('127.0.0.1:80 is taken', cause)
  t.same(describeFailure(error, false), { lines: ['outrigger: 127.0.0.1:80 is taken'], exitCode: 2 })
  t.match(
    describeFailure(error, true).lines.join('\n'),
    /failure\.test\.ts[\s\S]*caused by: Error: EADDRINUSE/
  )
  t.same(describeFailure(new UsageError('no'), false), { lines: ['outrigger: no'], exitCode: 1 })
  t.match(describeFailure(new TypeError('x is not a function'), false), {
    lines: [/unexpected.*--verbose/],
    exitCode: 2
  })
  t.equal(describeFailure('text', true).lines.length, 1)
})
