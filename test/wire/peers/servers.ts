import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { type AddressInfo, createConnection, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import type { Setup } from '../case.js'

const here = dirname(fileURLToPath(import.meta.url))
const SETUPS: readonly Setup[] = ['main', 'keep', 'trusted', 'identity', 'impatient']

export interface Peer {
  readonly name: string
  /** `nginx 1.22.1` */
  readonly version: string
  url(setup: Setup): string
  stop(): Promise<void>
}

const PROGRAMS = {
  nginx: {
    template: 'nginx.conf',
    version: ['-v'],
    start: (folder: string, file: string) => ['-p', folder, '-e', join(folder, 'nginx.log'), '-c', file]
  },
  haproxy: {
    template: 'haproxy.cfg',
    version: ['-v'],
    start: (_folder: string, file: string) => ['-db', '-f', file]
  }
} as const

export type PeerName = keyof typeof PROGRAMS

const env = { ...process.env, PATH: `${process.env.PATH}:/usr/sbin:/usr/local/sbin` }

/** `1.22.1`; undefined where it is not installed. */
export function versionOf(name: PeerName): string | undefined {
  const { error, stdout, stderr } = spawnSync(name, PROGRAMS[name].version, { env, encoding: 'utf8' })
  return error === undefined ? (/\d+\.\d+(\.\d+)?/.exec(stdout + stderr)?.[0] ?? '') : undefined
}

/** Starts a real one in a folder of its own, in front of an upstream's port, and waits until it accepts. */
export async function startPeer(name: PeerName, upstream: number): Promise<Peer> {
  const { template, start } = PROGRAMS[name]
  const folder = mkdtempSync(join(tmpdir(), `outrigger-${name}-`))
  const ports = new Map<Setup, number>()
  for (const setup of SETUPS) ports.set(setup, await freePort())
  let text = readFileSync(join(here, template), 'utf8')
  for (const [setup, port] of ports) text = text.replaceAll(setup.toUpperCase(), String(port))
  text = text.replaceAll('UPSTREAM', String(upstream)).replaceAll('FOLDER', folder)
  const file = join(folder, template)
  writeFileSync(file, text)
  mkdirSync(join(folder, 'body'), { recursive: true })
  const child = spawn(name, start(folder, file), { env, stdio: ['ignore', 'pipe', 'pipe'] })
  let said = ''
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (said += chunk))
  try {
    for (const port of ports.values()) await accepts(port, child, () => said)
  } catch (error) {
    child.kill('SIGKILL')
    throw error
  }
  return {
    name,
    version: versionOf(name) ?? '',
    url: (setup) => `http://127.0.0.1:${ports.get(setup) ?? ports.get('main')}`,
    async stop() {
      const gone = new Promise((resolve) => child.once('exit', resolve))
      child.kill('SIGKILL')
      await gone
      rmSync(folder, { recursive: true, force: true })
    }
  }
}

async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  await new Promise<void>((resolve) => server.close(() => resolve()))
  return port
}

async function accepts(port: number, child: ChildProcess, said: () => string): Promise<void> {
  for (let i = 0; i < 250; i++) {
    if (child.exitCode !== null) throw new Error(`${child.spawnfile} ended: ${said()}`)
    const open = await new Promise<boolean>((resolve) => {
      const socket = createConnection({ host: '127.0.0.1', port })
      socket.once('connect', () => resolve(true))
      socket.once('error', () => resolve(false))
      socket.once('connect', () => socket.destroy())
    })
    if (open) return
    await sleep(20)
  }
  throw new Error(`${child.spawnfile} does not accept on port ${port}: ${said()}`)
}
