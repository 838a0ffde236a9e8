import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type Command, type Running, start } from './children.js'
import { type Cores, pinned } from './cores.js'
import { haproxy, nginx } from './servers.js'

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
  /** Why it cannot take part here. */
  readonly missing?: string | undefined
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

export function bare(options: BareOptions = {}): Candidate {
  const env = { BARE: JSON.stringify(options) }
  return script(BASELINE, '@fastify/http-proxy, bare', new URL('./peers/bare.mjs', import.meta.url), { env })
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
      env: { ...upstreams(stage), ...env }
    })
  }
}

/** @param build the folder that the sources were compiled to */
export function outrigger(name: string, label: string, configuration: URL, build: string): Candidate {
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
  const way = { inbound: 'http1', outbound: 'http1' } as const
  return [
    bare(),
    ...ours('', '', build),
    ...against.flatMap((folder, at) => ours(`${at + 1}-`, ` (build ${at + 1})`, folder)),
    ...[nginx(way), haproxy(way)].filter(({ missing }) => missing === undefined)
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
