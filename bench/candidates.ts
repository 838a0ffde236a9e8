import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { type AddressInfo, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type Command, type Running, start } from './children.js'
import { type Cores, pinned } from './cores.js'
import { has } from './machine.js'

/** What the candidates stand between and where. */
export interface Stage {
  readonly cores: Cores | undefined
  /** Files of one run, gone after it. */
  readonly directory: string
  readonly upstream: Running
}

/** One proxy of the comparison. */
export interface Candidate {
  readonly name: string
  readonly label: string
  /** @param nodeOptions for those that run on Node */
  command(stage: Stage, nodeOptions?: readonly string[]): Command | Promise<Command>
}

/** What the others are held against. */
export const BASELINE = 'bare'

const bare: Candidate = {
  name: BASELINE,
  label: '@fastify/http-proxy, bare',
  command: (stage, nodeOptions = []) => ({
    name: BASELINE,
    file: process.execPath,
    args: [...nodeOptions, fileURLToPath(new URL('./peers/bare.mjs', import.meta.url))],
    env: upstreams(stage)
  })
}

/** @param build the folder that the sources were compiled to */
function outrigger(name: string, label: string, configuration: URL, build: string): Candidate {
  return {
    name,
    label,
    command: (stage, nodeOptions = []) => ({
      name,
      file: process.execPath,
      args: [...nodeOptions, join(build, 'plugins/bin.js'), 'run', fileURLToPath(configuration)],
      env: { ...upstreams(stage), LOG_FILE: join(stage.directory, `${name}.log`) }
    })
  }
}

const nginx: Candidate = {
  name: 'nginx',
  label: 'nginx, one process',
  async command(stage) {
    const port = await freePort()
    const servers = [...stage.upstream.urls.values()].map((url) => `server ${new URL(url).host};`).join(' ')
    const file = join(stage.directory, 'nginx.conf')
    writeFileSync(
      file,
      `daemon off; master_process off; pid ${stage.directory}/nginx.pid; error_log stderr crit;
events { worker_connections 4096; }
http {
  access_log off;
  client_body_temp_path ${stage.directory}/body; proxy_temp_path ${stage.directory}/proxy;
  fastcgi_temp_path ${stage.directory}/f; uwsgi_temp_path ${stage.directory}/u; scgi_temp_path ${stage.directory}/s;
  keepalive_requests 1000000000;
  upstream app { ${servers} keepalive 256; keepalive_requests 1000000000; }
  server {
    listen 127.0.0.1:${port} backlog=1024;
    location / { proxy_pass http://app; proxy_http_version 1.1; proxy_set_header Connection ""; }
  }
}
`
    )
    return { name: 'nginx', file: 'nginx', args: ['-p', stage.directory, '-c', file], port }
  }
}

const haproxy: Candidate = {
  name: 'haproxy',
  label: 'HAProxy, one thread',
  async command(stage) {
    const port = await freePort()
    const servers = [...stage.upstream.urls].map(([name, url]) => `  server ${name} ${new URL(url).host}`)
    const file = join(stage.directory, 'haproxy.cfg')
    writeFileSync(
      file,
      `global
  nbthread 1
  maxconn 4096
defaults
  mode http
  timeout connect 5s
  timeout client 60s
  timeout server 60s
  http-reuse always
frontend inbound
  bind 127.0.0.1:${port} backlog 1024
  default_backend app
backend app
${servers.join('\n')}
`
    )
    return { name: 'haproxy', file: 'haproxy', args: ['-db', '-f', file], port }
  }
}

/**
 * All that can be measured here.
 *
 * @param build the folder that holds ours, compiled
 * @param against other such folders to hold it against
 */
export function candidates(build: string, against: readonly string[]): Candidate[] {
  const none = new URL('./peers/none.yaml', import.meta.url)
  const five = new URL('./peers/five.yaml', import.meta.url)
  const ours = (prefix: string, words: string, folder: string) => [
    outrigger(`${prefix}none`, `outrigger${words}, no plugins`, none, folder),
    outrigger(`${prefix}five`, `outrigger${words}, five plugins`, five, folder)
  ]
  return [
    bare,
    ...ours('', '', build),
    ...against.flatMap((folder, at) => ours(`${at + 1}-`, ` (build ${at + 1})`, folder)),
    ...[nginx, haproxy].filter(({ name }) => has(name))
  ]
}

/** Sets the stage: a folder, and the service behind every proxy. */
export async function setStage(cores: Cores | undefined): Promise<Stage> {
  const directory = mkdtempSync(join(tmpdir(), 'outrigger-bench-'))
  process.on('exit', () => rmSync(directory, { recursive: true, force: true }))
  const upstream = await start({
    name: 'upstream',
    file: process.execPath,
    args: [fileURLToPath(new URL('./peers/upstream.mjs', import.meta.url))],
    addresses: 2
  })
  return { cores, directory, upstream }
}

/** Starts one on the proxies' core. */
export async function enter(
  candidate: Candidate,
  stage: Stage,
  nodeOptions?: readonly string[]
): Promise<Running> {
  const command = await candidate.command(stage, nodeOptions)
  const on = stage.cores === undefined ? [] : [stage.cores.proxy]
  return start({ ...command, ...pinned(on, command.file, command.args) })
}

export function upstreams({ upstream }: Stage): Record<string, string> {
  return { UPSTREAM_A: upstream.urls.get('a') as string, UPSTREAM_B: upstream.urls.get('b') as string }
}

/** A port of loopback that was free a moment ago. */
function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer()
    server.once('error', reject)
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as AddressInfo
      server.close(() => resolve(port))
    })
  })
}
