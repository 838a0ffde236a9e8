// What a result was measured on. Without that a figure says nothing.
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { cpus, release, type } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

export const root = fileURLToPath(new URL('..', import.meta.url))

const found = new Map<string, boolean>()

/** Whether a program is installed. */
export function has(program: string): boolean {
  let is = found.get(program)
  if (is === undefined) {
    is = said('sh', ['-c', `command -v ${program}`]) !== undefined
    found.set(program, is)
  }
  return is
}

/** Looks anew: something has been installed. */
export function forget(): void {
  found.clear()
}

/** One line each, for people. */
export function describeMachine(): string[] {
  const versions = [
    `Node ${process.version}`,
    ...['@fastify/http-proxy', 'fastify', 'undici'].map((name) => `${name} ${versionOf(name)}`),
    numbered('nginx', said('nginx', ['-v'])),
    numbered('HAProxy', said('haproxy', ['-v'])),
    numbered('wrk', said('wrk', ['-v'])),
    numbered('h2load', said('h2load', ['--version']))
  ]
  const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string }
  return [
    `outrigger ${version}, ${new Date().toISOString().slice(0, 10)}`,
    `${cpus()[0]?.model ?? 'unknown processor'}, ${cpus().length} cores, ${type()} ${release()}`,
    versions.filter((one) => one !== undefined).join(', ')
  ]
}

function versionOf(name: string): string {
  const { resolve } = createRequire(join(root, 'package.json'))
  return (JSON.parse(readFileSync(resolve(`${name}/package.json`), 'utf8')) as { version: string }).version
}

function numbered(name: string, text: string | undefined): string | undefined {
  const number = text === undefined ? undefined : /\d+\.\d+(\.\d+)?/.exec(text)?.[0]
  return number === undefined ? undefined : `${name} ${number}`
}

/** What a program says, on either stream and whatever its exit code; undefined when there is none. */
function said(file: string, args: readonly string[]): string | undefined {
  try {
    return execFileSync('sh', ['-c', '"$0" "$@" 2>&1', file, ...args], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore']
    })
  } catch (error) {
    const { status, stdout } = error as { status: number | null; stdout: string }
    return status === 127 || file === 'sh' ? undefined : stdout
  }
}
