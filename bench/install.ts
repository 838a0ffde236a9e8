// What takes part and is no dependency of this repository: packages in `peers`, programs from Debian.
import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { forget, has } from './machine.js'

/** The folder whose package.json and lock file name the peers. */
export const PEERS = fileURLToPath(new URL('./peers', import.meta.url))

/** Each program that a run calls, and Debian's package that has it. */
const PROGRAMS: Readonly<Record<string, string>> = {
  nginx: 'nginx',
  haproxy: 'haproxy',
  wrk: 'wrk',
  h2load: 'nghttp2-client',
  taskset: 'util-linux',
  chrt: 'util-linux'
}

/** ms */
const PATIENCE = 300_000

/** Installs what is missing, and says what could not be: a run then leaves out who needs it. */
export function installPeers(say: (text: string) => void): void {
  if (!arePackagesThere()) {
    say('installing the packages of bench/peers')
    const args = ['ci', '--prefix', PEERS, '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error']
    if (!succeeds('npm', args)) say('bench/peers: npm ci failed, its packages are left out')
  }
  const missing = missingPackages(has)
  if (missing.length === 0) return
  if (!has('apt-get') || process.getuid?.() !== 0) {
    say(`not installed, and not to be installed from here: ${missing.join(' ')}`)
    return
  }
  say(`installing ${missing.join(' ')}`)
  succeeds('apt-get', ['update', '-q'])
  succeeds('apt-get', ['install', '-y', '-q', '--no-install-recommends', ...missing])
  forget()
  const left = missingPackages(has)
  if (left.length > 0) say(`could not be installed: ${left.join(' ')}`)
}

/** Debian's packages of the programs that are not there. */
export function missingPackages(isThere: (program: string) => boolean): string[] {
  const missing = Object.entries(PROGRAMS).filter(([program]) => !isThere(program))
  return [...new Set(missing.map(([, name]) => name))]
}

function arePackagesThere(): boolean {
  const { packages } = JSON.parse(readFileSync(join(PEERS, 'package-lock.json'), 'utf8')) as {
    packages: Record<string, { version?: string }>
  }
  return Object.entries(packages).every(([place, { version }]) => {
    const manifest = join(PEERS, place, 'package.json')
    if (place === '') return true
    if (!existsSync(manifest)) return false
    return (JSON.parse(readFileSync(manifest, 'utf8')) as { version: string }).version === version
  })
}

/** With what it says on the standard error, since the standard output has the results. */
function succeeds(file: string, args: readonly string[]): boolean {
  const { status } = spawnSync(file, args, {
    stdio: ['ignore', 2, 2],
    timeout: PATIENCE,
    env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }
  })
  return status === 0
}
