import { mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { newPlugin } from '../../../core/cli/new-plugin.js'
import { host } from '../../../plugins/host.js'

t.test('names that no plugin may have are refused, with what was perhaps meant', async (t) => {
  const folder = t.testdir()
  for (const name of ['Hello', 'hello_world', '../evil', 'a/b', '', '1a', 'a--b', 'x'.repeat(65), '.']) {
    await t.rejects(newPlugin(name, folder, host), /lower case letters/, name)
  }
  await t.rejects(newPlugin('helloWorld', folder, host), /hello-world\?/)
  await t.rejects(newPlugin('outrigger-plugin-x', folder, host), /leave out/)
  await t.rejects(newPlugin('retry', folder, host), /built in/)
  t.same(readdirSync(folder), [])
})

t.test('nothing is overwritten', async (t) => {
  const folder = t.testdir({ taken: { 'mine.txt': 'mine' }, file: 'a file' })
  await t.rejects(newPlugin('taken', folder, host), /not empty/)
  t.same(readdirSync(join(folder, 'taken')), ['mine.txt'])
  await t.rejects(newPlugin('file', folder, host), /in the way/)
})

t.test('an empty folder, and one that is not there yet, will do', async (t) => {
  const folder = t.testdir()
  mkdirSync(join(folder, 'hello'))
  t.match(await newPlugin('hello', folder, host), /npm test/)
  await newPlugin('hello', join(folder, 'deep', 'er'), host)
  const files = ['README.md', 'index.test.ts', 'index.ts', 'package.json', 'sidecar.yaml']
  t.same(readdirSync(join(folder, 'hello')).sort(), files)
  t.same(readdirSync(join(folder, 'deep', 'er', 'hello')).sort(), files)
  writeFileSync(join(folder, 'hello', 'index.ts'), '')
  await t.rejects(newPlugin('hello', folder, host), /not empty/)
})
