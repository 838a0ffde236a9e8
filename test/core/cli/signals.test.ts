import { EventEmitter } from 'node:events'
import t from 'tap'
import { listenForSignals } from '../../../core/cli/signals.js'

function setUp() {
  const source = new EventEmitter()
  const seen: string[] = []
  const ignore = listenForSignals(
    {
      onStop: (signal) => seen.push(`stop ${signal}`),
      onForce: (code) => seen.push(`force ${code}`),
      onReload: () => seen.push('reload')
    },
    source
  )
  return { send: (signal: string) => source.emit(signal, signal), seen, ignore, source }
}

t.test('the first stops, the second forces with the code that shells expect', async (t) => {
  const terminated = setUp()
  terminated.send('SIGTERM')
  terminated.send('SIGTERM')
  t.same(terminated.seen, ['stop SIGTERM', 'force 143'])
  const interrupted = setUp()
  interrupted.send('SIGTERM')
  interrupted.send('SIGINT')
  t.same(interrupted.seen, ['stop SIGTERM', 'force 130'])
})

t.test('SIGHUP reloads each time', async (t) => {
  const { send, seen } = setUp()
  send('SIGHUP')
  send('SIGHUP')
  t.same(seen, ['reload', 'reload'])
})

t.test('afterwards nothing listens', async (t) => {
  const { source, ignore } = setUp()
  ignore()
  t.same(source.eventNames(), [])
})
