// The configurations of ours that are measured: one of `peers/*.yaml`, and what a mode changes in it.
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parse } from 'yaml'

/** One plugin of a list: its name, or its name and its configuration. */
export type Listing = string | Readonly<Record<string, object>>

export interface SidecarService {
  endpoints: string[]
  protocol?: string
  plugins?: Listing[]
}

export interface SidecarRoute {
  name: string
  match: Record<string, unknown>
  service?: string
  reply?: { status: number; body: string }
  timeout?: string
  plugins?: Listing[]
}

/** As much of a configuration as is changed here. */
export interface Sidecar {
  listeners: Record<string, { address: string; tls?: { cert: string; key: string } }>
  admin: false | { address: string }
  plugins?: Listing[]
  services: Record<string, SidecarService>
  routes: SidecarRoute[]
  fastLane?: boolean
  processes?: number
  workers?: { threads?: number; maxQueue?: number }
}

export type Base = 'none' | 'five'

export type Change = (sidecar: Sidecar) => void

export function sidecarOf(base: Base, ...changes: readonly Change[]): Sidecar {
  const file = new URL(`./peers/${base}.yaml`, import.meta.url)
  const sidecar = parse(readFileSync(file, 'utf8')) as Sidecar
  for (const change of changes) change(sidecar)
  return sidecar
}

/** @returns the file, which is JSON: a configuration may be either */
export function writeSidecar(directory: string, name: string, sidecar: Sidecar): string {
  const file = join(directory, `${name}.json`)
  writeFileSync(file, JSON.stringify(sidecar))
  return file
}

/** Turned off: node:http and undici, as whatever the fast lane does not take. */
export const standardPath: Change = (sidecar) => {
  sidecar.fastLane = false
}

/** The route's plugins, in place of what it has. */
export function routePlugins(plugins: Listing[]): Change {
  return ({ routes: [route] }) => {
    if (route !== undefined) route.plugins = plugins
  }
}

/** Plugins that do nothing at every hook that most plugins have. */
export function idlePlugins(count: number, kind: 'sync' | 'async'): Listing[] {
  const file = fileURLToPath(new URL(`./peers/${kind}.plugin.ts`, import.meta.url))
  return Array.from({ length: count }, () => file)
}
