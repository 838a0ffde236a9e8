import t from 'tap'
import { readPlainRun } from '../../../core/cli/plain-run.js'

t.test('what most processes are started with is read without the parser', async (t) => {
  const plain = { file: './sidecar.yaml', watch: false, verbose: false, command: undefined }
  t.same(readPlainRun(['run']), plain)
  t.same(readPlainRun(['run', 'shop.yaml']), { ...plain, file: 'shop.yaml' })
  t.same(readPlainRun(['run', '--watch', 'shop.yaml', '--verbose']), {
    ...plain,
    file: 'shop.yaml',
    watch: true,
    verbose: true
  })
  t.same(readPlainRun(['run', '--', 'node', 'app.js', '--watch', '--port=1']), {
    ...plain,
    command: ['node', 'app.js', '--watch', '--port=1']
  })
})

t.test('all else is left to it', async (t) => {
  for (const args of [
    [],
    ['check', 'shop.yaml'],
    ['--verbose', 'run'],
    ['run', 'a.yaml', 'b.yaml'],
    ['run', '--help'],
    ['run', '--wach'],
    ['run', '-'],
    ['run', '--wait-for', '127.0.0.1:1', '--', 'node', 'app.js'],
    ['run', '--wait-timeout=3'],
    ['run', '--']
  ]) {
    t.equal(readPlainRun(args), undefined, args.join(' '))
  }
})
