import { X509Certificate } from 'node:crypto'
import { once } from 'node:events'
import { cp, mkdir, mkdtemp, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { connect } from 'node:tls'
import t from 'tap'
import { checkout } from '../repository/command.js'
import { taken } from './ports.js'
import { Walkthrough } from './walkthrough.js'

const DAY = 86_400_000
/** What the README has made, for whoever has tried it by hand. */
const MADE = /[/\\]mesh[/\\](certs|payment\.sock)$/

t.test('the README of mesh is true', async (t) => {
  // In a copy, since it makes files; with a short name, since the path of a Unix socket has 107 bytes at most.
  await mkdir(join(checkout, '.tap'), { recursive: true })
  const folder = await mkdtemp(join(checkout, '.tap/mesh-'))
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  await cp(join(checkout, 'examples/mesh'), folder, { recursive: true, filter: (path) => !MADE.test(path) })

  const walk = await Walkthrough.open(t, {
    folder: 'mesh',
    ports: '235',
    cwd: folder,
    env: { TOKEN: undefined },
    lasting: [[/^npx outrigger run/]],
    varying: [
      [/until \d{4}-\d\d-\d\d/, 'until DAY'],
      [/^notAfter=.*/, 'notAfter=MOMENT']
    ]
  })
  for (const [language, name] of [
    ['yaml', 'payment.yaml'],
    ['yaml', 'orders.yaml'],
    ['ts', 'mask-cards.ts']
  ] as const) {
    t.ok(walk.text.includes(`\`\`\`${language}\n${walk.file(name)}\`\`\``), `it shows ${name} as it is`)
  }
  await walk.run()

  const payment = walk.running('npx outrigger run payment.yaml')
  const orders = walk.running('npx outrigger run orders.yaml')
  const [paid, refused] = walk.constant(walk.block('json') ?? '') as [string, string]
  await payment.until('both lines of its access log, in that order', (lines) => {
    return (lines.includes(paid) && lines.indexOf(refused) > lines.indexOf(paid)) || undefined
  })

  const ca = await readFile(join(folder, 'certs/ca.pem'))
  const port = (ending: string) => Number(`${walk.ports}${ending}`)
  const stranger = connect({ host: '127.0.0.1', port: port('20'), ca, servername: 'payment' })
  const [error] = (await once(stranger, 'error')) as [NodeJS.ErrnoException]
  t.match(error.code, /CERTIFICATE_REQUIRED$/, 'who has no certificate is told that')

  await orders.until('word of its renewed certificate', (lines) =>
    lines.find((line) => line.includes('certificates renewed') && line.includes('/shop.local.pem'))
  )
  const shop = connect({ host: '127.0.0.1', port: port('00'), ca, servername: 'shop.local' })
  await once(shop, 'secureConnect')
  const renewed = new X509Certificate(await readFile(join(folder, 'certs/shop.local.pem')))
  const shown = shop.getPeerX509Certificate()
  shop.destroy()
  t.equal(shown?.fingerprint256, renewed.fingerprint256, 'the certificate that was made last is in use')
  t.ok(Date.parse(renewed.validTo) > Date.now() + 300 * DAY, 'which is the one for a year')

  orders.interrupt()
  payment.interrupt()
  for (const sidecar of [orders, payment]) {
    await sidecar.ended()
    t.match(sidecar.output, /draining.*\n.*ended/)
  }
  t.notMatch(payment.output + orders.output, /4111/, 'nobody has logged the number of a card')
  t.same(await taken(walk.ports), [port('99')], 'nothing listens any more')
})
