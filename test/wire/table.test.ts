import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { allCases } from './cases/index.js'
import { proven } from './cases/proven.js'
import { idsIn } from './table.js'

const root = join(import.meta.dirname ?? new URL('.', import.meta.url).pathname, '../..')

t.test('every case has an id of its own', (t) => {
  const ids = [...allCases, ...proven].map(({ id }) => id)
  t.same(
    ids.filter((id, i) => ids.indexOf(id) !== i),
    []
  )
  t.end()
})

t.test('every case stands in the README’s table, and nothing else does', (t) => {
  const ids = [...allCases, ...proven].map(({ id }) => id)
  const listed = idsIn(readFileSync(join(root, 'test/wire/README.md'), 'utf8'))
  t.same(
    ids.filter((id) => !listed.has(id)),
    [],
    'missing: node test/wire/peers/run.mjs --write'
  )
  t.same(
    [...listed].filter((id) => !ids.includes(id)),
    []
  )
  t.end()
})

t.test('the tests that cases refer to are there', (t) => {
  for (const { id, file, test } of proven) {
    const text = readFileSync(join(root, file), 'utf8').replace(/\\'|(?<=\w)'(?=s )/g, '’')
    const at = text.indexOf(test)
    t.ok(at > 0 && /t\.test\(\s*['"`]$/.test(text.slice(0, at)), `${id}: ${file} has ${JSON.stringify(test)}`)
  }
  t.end()
})
