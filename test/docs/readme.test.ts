// README.md as a newcomer goes through it: its files are written, and its commands are run, in order, with the binary as
// it is installed, and have to print what it shows.
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { taken } from '../examples/ports.js'
import { Walkthrough } from '../examples/walkthrough.js'
import { checkout, command } from '../repository/command.js'
import { files } from './markdown.js'

// Outside the checkout, where what the package forgets to bring along would be found.
const folder = await mkdtemp(join(tmpdir(), 'outrigger-readme-'))
t.teardown(() => rm(folder, { recursive: true, force: true }))

/** As `npm install` of the checkout leaves it; test/repository/pack.test.ts installs the tarball. */
async function install(): Promise<void> {
  await mkdir(join(folder, 'node_modules/.bin'), { recursive: true })
  await symlink(checkout, join(folder, 'node_modules/outrigger'))
  await symlink('../outrigger/dist/plugins/bin.js', join(folder, 'node_modules/.bin/outrigger'))
  await writeFile(join(folder, 'package.json'), '{ "dependencies": { "outrigger": "*" } }\n')
}

t.test('its commands print what it shows', async (t) => {
  await install()
  const walk = await Walkthrough.open(t, {
    folder: '..',
    cwd: folder,
    ports: '180',
    lasting: [[/^npx outrigger run/]]
  })
  const written = files(walk.text)
  for (const name of ['service.mjs', 'sidecar.yaml', 'closed.ts']) {
    const content = written.get(name)
    t.ok(content, name)
    await writeFile(join(folder, name), (content ?? '').replace(/\b180(\d\d)\b/g, `${walk.ports}$1`))
  }
  await walk.run()

  const dashboard = await fetch(`http://127.0.0.1:${walk.ports}90/`)
  t.match(dashboard.headers.get('content-type'), 'text/html', 'the admin shows a page')

  const proxy = walk.running('npx outrigger run')
  proxy.interrupt()
  await proxy.ended()
  t.equal(walk.constant(proxy.output).at(-1), 'TIME INFO  ended', 'Ctrl-C ends it in good order')
  t.same(await taken(walk.ports), [Number(`${walk.ports}99`)], 'and the service with it')
})

t.test('its TypeScript passes the type checker, against the types that come along', async (t) => {
  const compilerOptions = {
    module: 'NodeNext',
    target: 'ES2023',
    strict: true,
    exactOptionalPropertyTypes: true,
    noEmit: true,
    skipLibCheck: true,
    types: ['node'],
    typeRoots: [join(checkout, 'node_modules/@types')]
  }
  await writeFile(join(folder, 'tsconfig.json'), JSON.stringify({ compilerOptions, include: ['*.ts'] }))
  const tsc = join(checkout, 'node_modules/typescript/bin/tsc')
  const { code, stdout } = await command(process.execPath, [tsc, '-p', folder], folder)
  t.equal(stdout, '')
  t.equal(code, 0)
})
