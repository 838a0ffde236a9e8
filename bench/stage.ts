// Where a run takes place: the folder, the service, and the cores.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { output, type Running, start } from './children.js'
import type { Cores } from './cores.js'

/** What the candidates stand between and where. */
export interface Stage {
  readonly cores: Cores | undefined
  /** Files of one run, gone after it. */
  readonly directory: string
  readonly upstream: Running
  /** With it, who is spoken to in TLS: a certificate for localhost. */
  readonly secure?: Certificate
}

export interface Certificate {
  /** Files, of PEM. */
  readonly cert: string
  readonly key: string
}

/** Sets the stage: a folder, and the service behind every proxy. */
export async function setStage(cores: Cores | undefined): Promise<Stage> {
  const directory = mkdtempSync(join(tmpdir(), 'outrigger-bench-'))
  process.on('exit', () => rmSync(directory, { recursive: true, force: true }))
  return { cores, directory, upstream: await startUpstream() }
}

/** On the load's core, where the bench itself runs too. @param host 0.0.0.0 for all of loopback */
export function startUpstream(host = '127.0.0.1'): Promise<Running> {
  return start({
    name: 'upstream',
    file: process.execPath,
    args: [fileURLToPath(new URL('./peers/upstream.mjs', import.meta.url)), host],
    addresses: 2
  })
}

/** The program of a build. */
export function programOf(build: string): string {
  return join(build, 'plugins/bin.js')
}

const certificates = new Map<string, Promise<Certificate>>()

/** Made once in a run. @param build whose program makes it */
export function certificateIn({ directory }: Stage, build: string): Promise<Certificate> {
  let made = certificates.get(directory)
  if (made === undefined)
    certificates.set(directory, (made = makeCertificate(join(directory, 'certs'), build)))
  return made
}

async function makeCertificate(folder: string, build: string): Promise<Certificate> {
  await output(process.execPath, [programOf(build), 'certs', 'dev', '--out', folder])
  return { cert: join(folder, 'localhost.pem'), key: join(folder, 'localhost.key') }
}

/** What every candidate is told of its surroundings. */
export function surroundings({ upstream, secure }: Stage): Record<string, string> {
  return {
    UPSTREAM_A: upstream.urls.get('a') as string,
    UPSTREAM_B: upstream.urls.get('b') as string,
    ...(secure === undefined ? {} : { CERTIFICATE: secure.cert, KEY: secure.key })
  }
}
