import { EventEmitter, once } from 'node:events'
import { appendFile, mkdir, realpath, rename, rm, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { FileWatch } from '../../../core/cli/watch.js'

async function setUp(t: Test, layout: (folder: string) => Promise<string[]>, poll = 60_000) {
  const folder = await realpath(t.testdir())
  const files = await layout(folder)
  const changes = new EventEmitter()
  const seen: string[] = []
  const watch = await FileWatch.open({
    files,
    since: Number.POSITIVE_INFINITY,
    settle: 10,
    poll,
    onChange: (file) => {
      seen.push(file)
      changes.emit('change', file)
    }
  })
  // The watch keeps no process alive, and nothing else here does.
  const alive = setInterval(() => {}, 1000)
  t.teardown(() => {
    clearInterval(alive)
    watch.close()
  })
  return { folder, watch, seen, change: () => once(changes, 'change') }
}

const yaml = async (folder: string) => {
  await writeFile(join(folder, 'a.yaml'), 'one')
  return [join(folder, 'a.yaml')]
}

t.test('written in place', async (t) => {
  const { folder, change, seen } = await setUp(t, yaml)
  const changed = change()
  await appendFile(join(folder, 'a.yaml'), 'two')
  await changed
  t.same(seen, [join(folder, 'a.yaml')])
})

t.test('replaced by a rename, as editors do, and then once more', async (t) => {
  const { folder, change } = await setUp(t, yaml)
  for (let i = 0; i < 2; i++) {
    const changed = change()
    await writeFile(join(folder, '.a.yaml.swp'), `new ${i}`)
    await rename(join(folder, '.a.yaml.swp'), join(folder, 'a.yaml'))
    await changed
  }
  t.pass()
})

t.test('turned around by a link, as a ConfigMap does', async (t) => {
  const { folder, change, seen } = await setUp(t, async (folder) => {
    await mkdir(join(folder, '..1'))
    await writeFile(join(folder, '..1', 'a.yaml'), 'one')
    await symlink('..1', join(folder, '..data'))
    await symlink(join('..data', 'a.yaml'), join(folder, 'a.yaml'))
    return [join(folder, 'a.yaml')]
  })
  const changed = change()
  await mkdir(join(folder, '..2'))
  await writeFile(join(folder, '..2', 'a.yaml'), 'two')
  await symlink('..2', join(folder, '..data_tmp'))
  await rename(join(folder, '..data_tmp'), join(folder, '..data'))
  await rm(join(folder, '..1'), { recursive: true })
  await changed
  t.same(seen, [join(folder, 'a.yaml')])
})

t.test('a neighbour is no change', async (t) => {
  const { folder, change, seen } = await setUp(t, yaml)
  await writeFile(join(folder, 'access.log'), 'x')
  await writeFile(join(folder, 'other.yaml'), 'x')
  const changed = change()
  await writeFile(join(folder, 'a.yaml'), 'two')
  await changed
  t.same(seen, [join(folder, 'a.yaml')])
})

t.test('without any notification, by looking now and then', async (t) => {
  const { folder, change } = await setUp(
    t,
    async (folder) => {
      // The folder is reached through a link two levels up, which nothing listens to.
      await mkdir(join(folder, 'r1', 'etc'), { recursive: true })
      await mkdir(join(folder, 'r2', 'etc'), { recursive: true })
      await writeFile(join(folder, 'r1', 'etc', 'a.yaml'), 'one')
      await writeFile(join(folder, 'r2', 'etc', 'a.yaml'), 'two')
      await symlink('r1', join(folder, 'current'))
      return [join(folder, 'current', 'etc', 'a.yaml')]
    },
    20
  )
  const changed = change()
  await symlink('r2', join(folder, 'next'))
  await rename(join(folder, 'next'), join(folder, 'current'))
  await changed
  t.pass()
})

t.test('update: more files, fewer files', async (t) => {
  const { folder, watch, change, seen } = await setUp(t, yaml)
  await mkdir(join(folder, 'plugins'))
  const plugin = join(folder, 'plugins', 'mine.ts')
  await writeFile(plugin, 'export {}')
  await watch.update([plugin], Number.POSITIVE_INFINITY)
  await writeFile(join(folder, 'a.yaml'), 'no longer watched')
  const changed = change()
  await writeFile(plugin, 'export default 1')
  await changed
  t.same(seen, [plugin])
})

t.test('after a failed reload any source file of these folders is a change', async (t) => {
  const { folder, watch, change } = await setUp(t, yaml)
  await watch.update([join(folder, 'a.yaml')], Number.POSITIVE_INFINITY, true)
  const changed = change()
  await writeFile(join(folder, 'repaired.ts'), 'export {}')
  await changed
  t.pass()
})

t.test('a file that changed while it was read, before it was watched', async (t) => {
  const { folder, watch, change, seen } = await setUp(t, yaml)
  const since = Date.now()
  const plugin = join(folder, 'mine.ts')
  await writeFile(plugin, 'export {}')
  const changed = change()
  await watch.update([join(folder, 'a.yaml'), plugin], since)
  await changed
  t.same(seen, [plugin])
})
