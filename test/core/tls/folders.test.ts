import { appendFileSync, mkdirSync, realpathSync, renameSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { FolderWatch } from '../../../core/tls/folder-watch.js'
import { addPlaces, type Places } from '../../../core/tls/folders.js'
import { until } from './accepting.js'

async function placesOf(folder: string, file: string): Promise<Record<string, string[]>> {
  const places: Places = new Map()
  await addPlaces(join(folder, file), places)
  // What is above the test's own folder is none of its making.
  return Object.fromEntries(
    [...places]
      .filter(([at]) => at.startsWith(folder))
      .map(([at, names]) => [at.slice(folder.length + 1) || '.', [...names].sort()])
  )
}

t.test('where a file may become another', async (t) => {
  const folder = realpathSync(
    t.testdir({
      plain: { 'a.pem': '' },
      archive: { one: { 'a.pem': '' } },
      live: {},
      pod: { '..1': { 'a.pem': '' } }
    })
  )
  symlinkSync('archive/one', join(folder, 'current'))
  symlinkSync('../current/a.pem', join(folder, 'live', 'a.pem'))
  symlinkSync('..1', join(folder, 'pod', '..data'))
  symlinkSync('..data/a.pem', join(folder, 'pod', 'a.pem'))
  symlinkSync('round', join(folder, 'ring'))
  symlinkSync('ring', join(folder, 'round'))
  t.same(await placesOf(folder, 'plain/a.pem'), { plain: ['a.pem'] })
  t.same(await placesOf(folder, 'live/a.pem'), {
    live: ['a.pem'],
    '.': ['current'],
    'archive/one': ['a.pem']
  })
  t.same(await placesOf(folder, 'pod/a.pem'), { pod: ['..data', 'a.pem'], 'pod/..1': ['a.pem'] })
  t.same(await placesOf(folder, 'plain/none.pem'), { plain: ['none.pem'] })
  t.same(await placesOf(folder, 'none/deep/a.pem'), { 'none/deep': ['a.pem'], '.': ['none'] })
  t.same(await placesOf(folder, 'ring'), { '.': ['ring', 'round'] }, 'which ends')
})

t.test('what else happens in a folder is not heeded', async (t) => {
  const folder = t.testdir({ 'a.pem': '', 'busy.log': '' })
  let stirs = 0
  const watch = new FolderWatch(() => stirs++)
  t.teardown(() => watch.close())
  await watch.set(new Map([[folder, new Set(['a.pem'])]]))
  for (let line = 0; line < 10; line++) appendFileSync(join(folder, 'busy.log'), 'line\n')
  mkdirSync(join(folder, 'other'))
  // What comes behind them has passed them.
  writeFileSync(join(folder, '.a.pem.next'), '')
  const before = stirs
  renameSync(join(folder, '.a.pem.next'), join(folder, 'a.pem'))
  await until(() => stirs > before)
  t.equal(stirs, 1)
  await watch.set(new Map())
  appendFileSync(join(folder, 'a.pem'), 'x')
  await new Promise((resolve) => setTimeout(resolve, 50))
  t.equal(stirs, 1, 'nobody listens')
})
