import t from 'tap'
import { taken } from './ports.js'
import { Walkthrough } from './walkthrough.js'

t.test('the README of run-as-sidecar is true', async (t) => {
  const walk = await Walkthrough.open(t, {
    folder: 'run-as-sidecar',
    ports: '234',
    lasting: [[/^npx outrigger run/], [/^node rates/]],
    varying: [[/again in \d+ ms/, 'again in MS ms']]
  })
  t.equal(walk.block('yaml'), walk.file('sidecar.yaml'), 'it shows the configuration as it is')
  await walk.run()

  const sidecar = walk.running('npx outrigger run')
  t.equal(await sidecar.ended(), 0, 'drained, it ends by itself with exit code 0')
  const said = walk.constant(walk.block('text') ?? '')
  t.equal(said.length, 4)
  t.same(
    walk.constant(sidecar.output).filter((line) => said.includes(line)),
    said,
    'and has said what the README says, in that order'
  )

  const rates = walk.running('node rates')
  rates.interrupt()
  await rates.ended()
  t.same(await taken(walk.ports), [Number(`${walk.ports}99`)], 'nothing listens any more')
})
