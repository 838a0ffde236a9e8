import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { checkout } from './command.js'

interface LockedPackage {
  version?: string
  optionalDependencies?: Record<string, string>
}

const text = await readFile(join(checkout, 'package-lock.json'), 'utf8')
const packages: Record<string, LockedPackage> = JSON.parse(text).packages

t.test('the lock file names no registry', async (t) => {
  t.notMatch(text, /https?:\/\/[^"]*\.tgz/)
  t.notMatch(text, '"resolved"')
})

t.test('the lock file holds the packages of every platform, so that npm ci takes it on each', async (t) => {
  const missing = Object.entries(packages).flatMap(([place, { optionalDependencies = {} }]) =>
    Object.keys(optionalDependencies).filter(
      (name) => !packages[`node_modules/${name}`] && !packages[`${place}/node_modules/${name}`]
    )
  )
  t.same(missing, [], 'run node .ci/complete-lock.mjs')
})
