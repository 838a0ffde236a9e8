import t from 'tap'
import { Walkthrough } from './walkthrough.js'

t.test('the README of write-a-plugin is true', async (t) => {
  const walk = await Walkthrough.open(t, {
    folder: 'write-a-plugin',
    ports: '232',
    lasting: [[/^npx outrigger run/]],
    varying: [[/^retry-after: \d+/, 'retry-after: SECONDS']]
  })
  t.equal(walk.block('ts'), walk.file('plugin.ts'), 'it shows the plugin as it is')
  t.equal(walk.block('yaml'), walk.file('sidecar.yaml'), 'and the configuration')
  await walk.run()

  const proxy = walk.running('npx outrigger run')
  proxy.interrupt()
  await proxy.ended()
  t.match(proxy.output, /draining.*\n.*ended/)
})
