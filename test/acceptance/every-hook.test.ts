// A user's plugin, by path in TypeScript and JavaScript and as an installed package, in each hook.
import { once } from 'node:events'
import { mkdir, writeFile } from 'node:fs/promises'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import t from 'tap'
import { WebSocket, WebSocketServer } from 'ws'
import { HOOK_NAMES } from '../../core/hooks/names.js'
import { startProxy } from '../../plugins/testing.js'
import { startUpstream } from '../support/upstream.js'

const plugin = (name: string, typed: boolean) => `
${typed ? "import { definePlugin, type PluginHooks } from 'outrigger'" : "import { definePlugin } from 'outrigger'"}
export default definePlugin({
  name: '${name}',
  setup({ log }) {
    const told = (hook${typed ? ': string' : ''}) => () => { log.info({ hook }, 'ran') }
    ${typed ? 'const hooks: PluginHooks = {' : 'return {'}
${HOOK_NAMES.map((hook) => `      ${hook}: told('${hook}')`).join(',\n')}
    }
    ${typed ? 'return hooks' : ''}
  }
})
`

t.test('TypeScript by path, JavaScript by path, and a package: each runs in each hook', async (t) => {
  const upstream = await startUpstream(t, (request, response) => {
    if (request.url === '/broken') request.socket.destroy()
    else response.end('ok')
  })
  const sockets = new WebSocketServer({ port: 0, host: '127.0.0.1' })
  sockets.on('connection', (socket) => socket.on('message', (data) => socket.send(String(data))))
  await once(sockets, 'listening')
  t.teardown(() => sockets.close())
  const folder = t.testdir({ 'package.json': '{ "type": "module" }' })
  const packaged = join(folder, 'node_modules/outrigger-plugin-packaged')
  await mkdir(packaged, { recursive: true })
  await writeFile(join(folder, 'typed.ts'), plugin('typed', true))
  await writeFile(join(folder, 'plain.js'), plugin('plain', false))
  await writeFile(join(packaged, 'index.js'), plugin('packaged', false))
  await writeFile(
    join(packaged, 'package.json'),
    JSON.stringify({
      name: 'outrigger-plugin-packaged',
      version: '1.0.0',
      type: 'module',
      exports: './index.js'
    })
  )
  const file = join(folder, 'sidecar.yaml')
  await writeFile(
    file,
    `
listeners: { in: { address: 127.0.0.1:0 } }
admin: false
services:
  shop: { endpoints: ["${upstream.url}"] }
  chat: { endpoints: ["http://127.0.0.1:${(sockets.address() as AddressInfo).port}"] }
plugins: [./typed.ts, ./plain.js, packaged]
routes:
  - { name: shop, match: { path: /* }, service: shop }
  - { name: chat, match: { path: /chat }, service: chat }
`
  )
  const proxy = await startProxy(file)
  t.teardown(() => proxy.close())
  t.equal((await fetch(`${proxy.url()}/fine`)).status, 200)
  t.equal((await fetch(`${proxy.url()}/broken`)).status, 502)
  const client = new WebSocket(`${proxy.url().replace('http', 'ws')}/chat`)
  await once(client, 'open')
  client.send('hello')
  t.equal(String((await once(client, 'message'))[0]), 'hello')
  client.close()
  await once(client, 'close')
  for (const name of ['typed', 'plain', 'packaged']) {
    const ran = new Set(
      proxy.log.filter(({ fields }) => fields.plugin === name).map(({ fields }) => fields.hook)
    )
    t.same([...ran].sort(), [...HOOK_NAMES].sort(), name)
  }
  t.same(
    proxy.proxy.plugins().map(({ name, hooks }) => [name, hooks.length]),
    ['typed', 'plain', 'packaged'].map((name) => [name, HOOK_NAMES.length])
  )
})
