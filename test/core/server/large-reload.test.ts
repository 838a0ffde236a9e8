// A configuration of thousands of routes is taken up beside the requests, whole or not at all.
import { writeFileSync } from 'node:fs'
import type { ServerResponse } from 'node:http'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { definePlugin, StartError } from '../../../core/index.js'
import { startProxy } from '../../../plugins/testing.js'
import { startUpstream } from '../../support/upstream.js'

const ROUTES = 2_000

const counts = { setUp: 0, closed: 0 }
const counting = definePlugin({
  name: 'counting',
  setup({ onClose }) {
    counts.setUp++
    onClose(() => {
      counts.closed++
    })
  }
})

/** @param answer of every route but `/slow` */
function config(answer: string, upstream = 'http://127.0.0.1:9') {
  return {
    listeners: { in: { address: '127.0.0.1:0' } },
    services: Object.fromEntries(
      Array.from({ length: ROUTES }, (_, i) => [
        `s${i}`,
        { endpoints: [i === 0 ? upstream : `http://10.0.0.1:${i}`] }
      ])
    ),
    routes: [
      { name: 'slow', match: { path: '/slow' }, service: 's0' },
      ...Array.from({ length: ROUTES }, (_, i) => ({
        name: `${answer}-${i}`,
        match: { path: `/shop/${i}/*` },
        reply: { body: answer },
        plugins: [counting]
      }))
    ]
  }
}

async function start(t: Test, source: string | object) {
  const started = await startProxy(source)
  t.teardown(() => started.close())
  return started
}

const text = async (url: string) => (await fetch(url)).text()

t.test('requests are answered meanwhile, by the old one until the new one is there', async (t) => {
  const { proxy, url } = await start(t, config('old'))
  let done = false
  const reloaded = proxy.reload(config('new')).then(() => {
    done = true
  })
  let meanwhile = 0
  while (!done) {
    const path = `/shop/${meanwhile % ROUTES}/x`
    const answer = await text(`${url()}${path}`)
    if (!done) meanwhile++
    t.ok(answer === 'old' || answer === 'new')
    if (answer === 'new' && !done) break
  }
  await reloaded
  t.ok(meanwhile > 2, `${meanwhile} were answered`)
  t.equal(await text(`${url()}/shop/1999/x`), 'new')
})

t.test('what is under way keeps its own, and the old one retires when that has ended', async (t) => {
  const held: ServerResponse[] = []
  const upstream = await startUpstream(t, (_request, response) => void held.push(response))
  const { proxy, url } = await start(t, config('old', upstream.url))
  const before = counts.closed
  const slow = text(`${url()}/slow`)
  while (held.length === 0) await new Promise((resolve) => setTimeout(resolve, 5))
  await proxy.reload(config('new', upstream.url))
  t.equal(await text(`${url()}/shop/7/x`), 'new')
  t.equal(counts.closed, before, 'its plugins are still there')
  held[0]?.end('late')
  t.equal(await slow, 'late')
  while (counts.closed < before + ROUTES) await new Promise((resolve) => setTimeout(resolve, 5))
  t.pass('and then they are closed')
})

t.test('a second reload waits for the first', async (t) => {
  const { proxy, url } = await start(t, config('old'))
  const order: string[] = []
  const first = proxy.reload(config('first')).then(() => order.push(proxy.routes()[1]?.name ?? ''))
  const second = proxy.reload(config('second')).then(() => order.push(proxy.routes()[1]?.name ?? ''))
  await Promise.all([first, second])
  t.same(order, ['first-0', 'second-0'])
  t.equal(await text(`${url()}/shop/3/x`), 'second')
})

t.test('closing does not wait for it: what was set up is closed again', async (t) => {
  const { proxy } = await start(t, config('old'))
  const reloading = proxy.reload(config('new'))
  const refused = t.rejects(reloading, StartError)
  while (counts.setUp % ROUTES === 0) await new Promise((resolve) => setImmediate(resolve))
  await proxy.close()
  await refused
  t.equal(counts.closed, counts.setUp)
  t.not(counts.setUp % ROUTES, 0, 'it was given up on the way')
})

t.test('a bad one among thousands changes nothing, and its line is told', async (t) => {
  const routes = (answer: string, bad: number) =>
    Array.from(
      { length: ROUTES },
      (_, i) =>
        `  - name: r${i}\n    match: { path: /shop/${i}/* }\n    ${i === bad ? 'replay' : 'reply'}: { body: ${answer} }\n`
    ).join('')
  const head = 'listeners: { in: { address: "127.0.0.1:0" } }\nadmin: false\nroutes:\n'
  const file = join(t.testdir({}), 'sidecar.yaml')
  writeFileSync(file, head + routes('old', -1))
  const { proxy, url } = await start(t, file)
  writeFileSync(file, head + routes('new', 1_500))
  await t.rejects(
    proxy.reload(),
    /sidecar\.yaml:4506:5: routes\[1500\]\.replay: unknown key "replay": did you mean "reply"\?/
  )
  t.equal(await text(`${url()}/shop/1500/x`), 'old')
  writeFileSync(file, head + routes('new', -1))
  await proxy.reload()
  t.equal(await text(`${url()}/shop/1500/x`), 'new')
})

t.test('an interceptor of one route hears of no other', async (t) => {
  const top = definePlugin({ name: 'top', setup: () => ({ request() {} }) })
  const { proxy, url } = await start(t, {
    listeners: { in: { address: '127.0.0.1:0' } },
    plugins: [top],
    routes: ['a', 'b'].map((name) => ({ name, match: { path: `/${name}` }, reply: { body: name } }))
  })
  await text(`${url()}/a`)
  const heard: string[] = []
  proxy.hooks('a').request?.intercept({ call: (_subject, { route }) => void heard.push(route.name) })
  await text(`${url()}/b`)
  await text(`${url()}/a`)
  t.same(heard, ['a'])
})
