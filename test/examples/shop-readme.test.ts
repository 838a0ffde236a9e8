import t from 'tap'
import { checkout } from '../repository/command.js'
import { Walkthrough } from './walkthrough.js'

t.test('the README of the shop is true', async (t) => {
  const walk = await Walkthrough.open(t, {
    folder: 'shop',
    ports: '231',
    variable: 'SHOP_PORTS',
    cwd: checkout,
    env: { SHOP_LOG: '/dev/null' },
    // What `npm start` does before that has tests of its own.
    lasting: [[/^npm start$/, 'node examples/shop/run.mjs']],
    varying: [
      [/-[abc]"/g, '-INSTANCE"'],
      [/"left":\d+/, '"left":LEFT'],
      [/^(outrigger_retries_total.*) \d+$/, '$1 COUNT']
    ]
  })
  await walk.run()

  const shop = walk.running('npm start')
  const heading = walk.block('text')?.split('\n').slice(0, 2) ?? []
  t.ok(await shop.until('the heading', (lines) => heading.every((line) => lines.includes(line)) || undefined))
  shop.interrupt()
  t.equal(await shop.ended(), 0)
})
