// Who can take part, and how each is started.
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type Command, type Running, start } from './children.js'
import { pinned } from './cores.js'
import { PEERS } from './install.js'
import { haproxy, nginx } from './servers.js'
import {
  type Base,
  type Change,
  idlePlugins,
  routePlugins,
  sidecarOf,
  standardPath,
  writeSidecar
} from './sidecar.js'
import { programOf, type Stage, surroundings } from './stage.js'

/** One proxy of the comparison. */
export interface Candidate {
  readonly name: string
  readonly label: string
  /** Why it cannot take part here. */
  readonly missing?: string | undefined
  /** It is not to be asked in TLS. */
  readonly plain?: true
  /** @param nodeOptions for those that run on Node */
  command(stage: Stage, nodeOptions?: readonly string[]): Command | Promise<Command>
}

/** What the others are held against. */
export const BASELINE = 'bare'

/** How `peers/bare.mjs` is set up beyond its upstream. */
export interface BareOptions {
  /** Fastify's. */
  readonly server?: { readonly http2?: boolean }
  /** http-proxy's. */
  readonly proxy?: { readonly http2?: boolean; readonly websocket?: boolean }
}

const BARE = new URL('./peers/bare.mjs', import.meta.url)

export function bare(options: BareOptions = {}): Candidate {
  return script(BASELINE, '@fastify/http-proxy, bare', BARE, { env: { BARE: JSON.stringify(options) } })
}

function replyFrom(): Candidate {
  return script('reply-from', '@fastify/reply-from', BARE, { args: ['reply-from'] })
}

/** A proxy of a few lines on Node. */
export function script(
  name: string,
  label: string,
  file: URL,
  { args = [], env = {} }: { args?: readonly string[]; env?: Record<string, string> } = {}
): Candidate {
  return {
    name,
    label,
    command: (stage, nodeOptions = []) => ({
      name,
      file: process.execPath,
      args: [...nodeOptions, fileURLToPath(file), ...args],
      env: { ...surroundings(stage), ...env }
    })
  }
}

/** A proxy from a package that the bench installs. */
export function packaged(name: string): Candidate {
  const file = new URL('./peers/package.mjs', import.meta.url)
  const version = versionOf(name)
  const candidate = script(name, `${name} ${version ?? ''}`.trim(), file, { args: [name, PEERS] })
  return version === undefined
    ? { ...candidate, missing: `${name} is not installed in bench/peers` }
    : candidate
}

function versionOf(name: string): string | undefined {
  const manifest = join(PEERS, 'node_modules', name, 'package.json')
  if (!existsSync(manifest)) return undefined
  return (JSON.parse(readFileSync(manifest, 'utf8')) as { version: string }).version
}

/**
 * Ours.
 *
 * @param build the folder that the sources were compiled to
 * @param base the configuration, and what is changed in it
 */
export function outrigger(
  name: string,
  label: string,
  build: string,
  base: Base | URL,
  ...changes: readonly Change[]
): Candidate {
  return {
    name,
    label,
    command: (stage, nodeOptions = []) => ({
      name,
      file: process.execPath,
      args: [...nodeOptions, programOf(build), 'run', fileOf(name, stage, base, changes)],
      env: { ...surroundings(stage), LOG_FILE: join(stage.directory, `${name}.log`) }
    })
  }
}

function fileOf(name: string, stage: Stage, base: Base | URL, changes: readonly Change[]): string {
  if (base instanceof URL) return fileURLToPath(base)
  const { secure } = stage
  const overTls: Change = ({ listeners: { inbound } }) => {
    if (inbound !== undefined && secure !== undefined) inbound.tls = secure
  }
  return writeSidecar(stage.directory, name, sidecarOf(base, ...changes, overTls))
}

/** Ours as it is, and without the fast lane. @param prefix of the names, of another build @param words of the labels */
export function ours(build: string, prefix = '', words = ''): Candidate[] {
  const one = (name: string, label: string, base: Base, ...changes: Change[]) =>
    outrigger(`${prefix}${name}`, `outrigger${words}, ${label}`, build, base, ...changes)
  return [
    one('none', 'no plugins', 'none'),
    one('five', 'five plugins', 'five'),
    one('none-standard', 'no plugins, standard path', 'none', standardPath),
    one('five-standard', 'five plugins, standard path', 'five', standardPath)
  ]
}

/** The floor: bytes passed on and not read. */
function relay(): Candidate {
  const file = new URL('./peers/relay.mjs', import.meta.url)
  return { ...script('relay', 'a relay of bytes on node:net', file), plain: true }
}

/** Those of Node with nothing on them. */
export const NODE_PEERS = ['http-proxy-3', 'httpxy', 'fast-proxy']

/**
 * All that can be measured here.
 *
 * @param build the folder that holds ours, compiled
 * @param against other such folders to hold it against
 */
export function candidates(build: string, against: readonly string[] = []): Candidate[] {
  const plain = { inbound: 'http1', outbound: 'http1' } as const
  return [
    bare(),
    replyFrom(),
    ...NODE_PEERS.map(packaged),
    ...ours(build),
    ...against.flatMap((folder, at) => ours(folder, `${at + 1}-`, ` (${folder})`)),
    nginx(plain),
    haproxy(plain),
    relay()
  ]
}

/** How many plugins that do nothing. */
export const COUNTS = [1, 5, 20]

/** Ours with plugins that do nothing. */
export function idlers(build: string): Candidate[] {
  return (['sync', 'async'] as const).flatMap((kind) =>
    COUNTS.map((count) => {
      const label = `outrigger, ${count} that ${count === 1 ? 'does' : 'do'} nothing, ${kind}`
      return outrigger(`${kind}-${count}`, label, build, 'none', routePlugins(idlePlugins(count, kind)))
    })
  )
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
