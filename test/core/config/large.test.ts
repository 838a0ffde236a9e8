// Ten thousand of everything: mistakes have their lines, and nothing else waits for the reading.
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { loadConfig } from '../../../core/config/load.js'
import { ConfigError } from '../../../core/config/problem.js'
import { readOnThread } from '../../../core/config/yaml-on-thread.js'
import { Pace } from '../../../core/hooks/pace.js'
import { host } from './fixtures/host.js'

const ROUTES = 10_000

/** Eight lines a route behind some of another kind. */
function yaml(head = ''): string[] {
  const lines = `${head}listeners:\n  in: { address: 127.0.0.1:0 }\nservices:\n  s0:\n    endpoints: [http://127.0.0.1:9001]\nroutes:`
  const routes = Array.from({ length: ROUTES }, (_, i) => [
    `  - name: r${i}`,
    '    match:',
    `      path: /shop/orders/${i}/*`,
    '    service: s0',
    '    plugins:',
    '      - retry:',
    '          attempts: 3',
    '      - metrics'
  ])
  return [...lines.split('\n'), ...routes.flat(), '']
}

function write(t: Test, name: string, text: string): string {
  const file = join(t.testdir({}), name)
  writeFileSync(file, text)
  return file
}

async function problemsOf(file: string) {
  try {
    await loadConfig(file, { host })
  } catch (error) {
    if (error instanceof ConfigError) return error.problems
    throw error
  }
  return []
}

t.test('a mistake on line 54,321 has that line', async (t) => {
  const lines = yaml()
  // The sixth of a route's lines, less those of the head.
  const at = lines.findIndex((line, index) => index >= 54_321 - 9 && line === '          attempts: 3')
  lines[at] = '          attemps: 3'
  const route = Math.floor((at - 6) / 8)
  t.match(await problemsOf(write(t, 'a.yaml', lines.join('\n'))), [
    {
      at: new RegExp(`a\\.yaml:${at + 1}:11$`),
      path: `routes[${route}].plugins[0].retry.attemps`,
      message: /^unknown key "attemps": did you mean "attempts"\?/
    }
  ])
  t.ok(Math.abs(at + 1 - 54_321) < 9)
})

t.test('the same where YAML has more to it, which a thread reads', async (t) => {
  const lines = yaml('x-common: &common { attempts: 3 }\n')
  const index = 54_320
  const at = lines.findIndex((line, number) => number >= index && line === '    service: s0')
  lines[at] = '    service: s1'
  lines[at + 3] = '          <<: *common'
  const problems = await problemsOf(write(t, 'b.yaml', lines.join('\n')))
  t.same(
    problems.map(({ at }) => Number(/:(\d+):\d+$/.exec(at ?? '')?.[1])),
    [1, at + 1]
  )
  t.match(problems[1]?.message, /^unknown service "s1": did you mean "s0"\?/)
})

t.test('what a thread read is what was written', async (t) => {
  const [common, ...rest] = yaml('plugins: [&common { retry: { attempts: 4 } }]\n')
  const lines = [
    common as string,
    ...rest.map((line) => (line === '      - metrics' ? '      - *common' : line))
  ]
  const config = await loadConfig(write(t, 'c.yaml', lines.join('\n')), { host })
  t.equal(config.routes.length, ROUTES)
  t.match(config.routes[9_999], {
    name: 'r9999',
    match: { path: '/shop/orders/9999/*' },
    plugins: [{ config: { attempts: 3 } }, { config: { attempts: 4 } }]
  })
  t.match(config.routes[9_999]?.plugins[0]?.at, /c\.yaml:80005:9$/)
})

t.test('the thread itself: values of every kind, and places', async (t) => {
  const text = 'a: &a [.nan, -.inf, -0, 1.5, "x", null, true]\nb: { 2: *a, c: |\n    two\n    lines\n  }\n'
  const read = await readOnThread(
    text.replace('{ 2: *a, c: |', '\n  2: *a\n  c: |').replace('  }\n', ''),
    'f',
    new Pace()
  )
  const written = read?.document?.written as { a: unknown[]; b: Record<string, unknown> }
  t.equal(JSON.stringify(read?.problems), '[]')
  const values = [Number.NaN, Number.NEGATIVE_INFINITY, -0, 1.5, 'x', null, true]
  t.ok(written.a.every((value, i) => Object.is(value, values[i])))
  t.ok((written.b['2'] as unknown[]).every((value, i) => Object.is(value, values[i])))
  t.equal(written.b.c, 'two\nlines\n')
  t.equal(read?.document?.locate(['b', 'c'], 'key').at, 'f:4:3')
})

t.test('a file that cannot be read at all says where', async (t) => {
  const lines = yaml()
  lines[70_000] = '   nothing: [like that'
  t.match((await problemsOf(write(t, 'd.yaml', lines.join('\n'))))[0]?.at, /d\.yaml:7000[0-9]:\d+$/)
})

for (const kind of ['yaml', 'json', 'object']) {
  t.test(`each part of the work pauses for each route: ${kind}`, async (t) => {
    const object = {
      listeners: { in: { address: '127.0.0.1:0' } },
      services: Object.fromEntries(
        Array.from({ length: 1_000 }, (_, i) => [`s${i}`, { endpoints: [`http://127.0.0.1:${i + 1}`] }])
      ),
      routes: Array.from({ length: 1_000 }, (_, i) => ({
        name: `r${i}`,
        match: { path: `/${i}/*` },
        service: `s${i}`,
        plugins: ['metrics']
      }))
    }
    const text = `${JSON.stringify(object, null, 2)}\n`
    const source = kind === 'object' ? object : write(t, kind === 'json' ? 'e.json' : 'e.yaml', text)
    let turns = 0
    const pace = new Pace({
      slice: 0,
      turn: async () => {
        turns++
      }
    })
    const config = await loadConfig(source, { host, pace })
    t.equal(config.routes.length, 1_000)
    // Environment, schema, references, listings, building and masking: of 1,000 routes and of 1,000 services each.
    t.ok(turns >= 6 * 2_000, `${turns} turns`)
  })
}

t.test('what ends the work ends it at the next pause', async (t) => {
  const file = write(t, 'f.yaml', yaml().join('\n'))
  let turns = 0
  const pace = new Pace({
    slice: 0,
    turn: async () => {
      turns++
    },
    goOn: () => {
      if (turns === 100) throw new Error('enough')
    }
  })
  await t.rejects(loadConfig(file, { host, pace }), /^enough$/)
  t.equal(turns, 100)
})

t.test('ten thousand mistakes are told, each once', async (t) => {
  const lines = yaml().map((line) => (line === '    service: s0' ? '    service: none' : line))
  const problems = await problemsOf(write(t, 'g.yaml', lines.join('\n')))
  t.equal(problems.length, ROUTES)
  t.match(problems.at(-1)?.at, /g\.yaml:80002:14$/)
})
