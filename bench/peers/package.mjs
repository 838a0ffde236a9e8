// node package.mjs NAME FOLDER
// A proxy from a package that is none of ours, installed in a folder's node_modules, on Node's own server, as its README
// sets it up and with connections to the service kept.
import { Agent } from 'node:http'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { serve } from './server.mjs'

const [name, folder] = process.argv.slice(2)
const { resolve } = createRequire(join(folder, 'package.json'))
const loaded = await import(pathToFileURL(resolve(name)).href)
const target = process.env.UPSTREAM_A

if (name === 'fast-proxy') {
  const { proxy } = loaded.default({ base: target })
  serve((request, response) => proxy(request, response, request.url, {}))
} else {
  const proxy = loaded.createProxyServer({ target, agent: new Agent({ keepAlive: true }) })
  // A client that leaves is told to nobody.
  proxy.on('error', () => {})
  serve(
    (request, response) => proxy.web(request, response),
    (request, socket, head) => proxy.ws(request, socket, head)
  )
}
