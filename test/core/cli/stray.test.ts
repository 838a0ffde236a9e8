import t from 'tap'
import { blame } from '../../../core/cli/stray.js'

const HERE = new URL('../../../', import.meta.url)
const stack = (...places: string[]) =>
  ['Error: boom', ...places.map((place) => `    at f (${place})`)].join('\n')

t.test('the file of a user comes first where it is nearer to the throw', async (t) => {
  const files = ['/etc/outrigger/mine.ts', '/etc/outrigger/sidecar.yaml']
  t.equal(
    blame(
      stack('node:events:517:28', '/app/node_modules/pg/lib/client.js:3:4', '/etc/outrigger/mine.ts:12:9'),
      files
    ),
    'plugin file /etc/outrigger/mine.ts:12:9'
  )
  t.equal(
    blame(stack('file:///etc/outrigger/mine.ts?v=2:12:9'), files),
    'plugin file /etc/outrigger/mine.ts:12:9'
  )
  t.equal(
    blame('Error: boom\n    at /etc/outrigger/mine.ts:12:9', files),
    'plugin file /etc/outrigger/mine.ts:12:9'
  )
  t.equal(
    blame('Error: boom\n    at async Timeout.tick (/etc/outrigger/mine.ts:1:2)', files),
    'plugin file /etc/outrigger/mine.ts:1:2'
  )
})

t.test('installed and built-in plugins by name', async (t) => {
  t.match(
    blame(stack('/app/node_modules/@me/outrigger-plugin-geo/index.js:1:2'), []),
    /^plugin @me\/outrigger-plugin-geo /
  )
  t.match(blame(stack(`${new URL('plugins/logging/collector.js', HERE).href}:1:2`), []), /^plugin logging /)
})

t.test('nobody, where no plugin is in it', async (t) => {
  t.equal(
    blame(
      stack(
        'node:net:1:2',
        `${new URL('core/server/proxy.js', HERE).href}:1:2`,
        `${new URL('plugins/bin.js', HERE).href}:1:2`
      ),
      []
    ),
    undefined
  )
  t.equal(blame('Error: boom', []), undefined)
})
