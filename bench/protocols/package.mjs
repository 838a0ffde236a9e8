// node package.mjs NAME FOLDER
// A proxy of node:http from a package that is none of ours, installed in a folder's node_modules: HTTP/1.1 and WebSocket.
import { Agent, createServer } from 'node:http'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'

const [name, folder] = process.argv.slice(2)
const { resolve } = createRequire(join(folder, 'package.json'))
const { createProxyServer } = await import(pathToFileURL(resolve(name)).href)

const agent = new Agent({ keepAlive: true })
const proxy = createProxyServer({ target: process.env.UPSTREAM_A, agent })
// A client that leaves is told to nobody.
proxy.on('error', () => {})
const server = createServer((request, response) => proxy.web(request, response))
server.on('upgrade', (request, socket, head) => proxy.ws(request, socket, head))
server.listen(0, '127.0.0.1', () => console.log(`ready inbound http://127.0.0.1:${server.address().port}`))
// A profile is written by a process that ends, and not by one that is killed.
process.on('SIGTERM', () => process.exit())
