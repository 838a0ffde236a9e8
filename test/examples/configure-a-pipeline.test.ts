import t from 'tap'
import { Walkthrough } from './walkthrough.js'

t.test('the README of configure-a-pipeline is true', async (t) => {
  const walk = await Walkthrough.open(t, {
    folder: 'configure-a-pipeline',
    ports: '233',
    env: { ORDERS_KEY: undefined, LOG_SAMPLE: undefined },
    lasting: [[/^npx outrigger run/], [/^node upstreams/]]
  })
  t.equal(walk.block('yaml'), walk.file('sidecar.yaml'), 'it shows the configuration as it is')
  await walk.run()

  const proxy = walk.running('npx outrigger run')
  const log = await proxy.until('the last request in its access log', (lines) => {
    const written = lines.filter((line) => line.includes('"POST /orders/5 '))
    return written.length === 3 ? written : undefined
  })
  t.match(log[2], / - clerk .* 200 .*route=orders .*attempts=/, 'the log names whose key it was')
  t.notMatch(proxy.output, /my-key/, 'and not the key')
  proxy.interrupt()
  await proxy.ended()
  t.match(proxy.output, /draining/)
})
