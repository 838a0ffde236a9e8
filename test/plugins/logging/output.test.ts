import { readFileSync, renameSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { Output } from '../../../plugins/logging/output.js'

t.test('a line that a full disk cut is ended before the next one', async (t) => {
  const file = join(t.testdir({}), 'access.log')
  const output = new Output(file)
  output.write(Buffer.from('{"half":'), 0)
  output.close(true)
  output.write(Buffer.from('{"whole":1}\n'), 0)
  output.close(false)
  t.equal(readFileSync(file, 'utf8'), '{"half":\n{"whole":1}\n')
})

t.test('a file that has come new since has nothing to end', async (t) => {
  const file = join(t.testdir({}), 'access.log')
  const output = new Output(file)
  output.write(Buffer.from('{"half":'), 0)
  output.close(true)
  renameSync(file, `${file}.1`)
  output.write(Buffer.from('{"whole":1}\n'), 0)
  output.close(false)
  t.equal(readFileSync(file, 'utf8'), '{"whole":1}\n')
})
