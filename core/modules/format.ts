import { existsSync, readFileSync } from 'node:fs'
import { dirname, extname, join, sep } from 'node:path'

/** How a file is evaluated. `module` may wait at its top level, `commonjs` runs through at once. */
export type Format = 'module' | 'commonjs' | 'json'

const TYPESCRIPT = new Set(['.ts', '.mts', '.cts'])

// An import or export statement, or import.meta, at the start of a line: what CommonJS cannot hold.
const MODULE_SYNTAX = /^[ \t]*(?:import\s*["'{*]|import\s+[\w$]|export\s*[{*]|export\s+\w)|\bimport\.meta\b/m

export function isTypeScript(file: string): boolean {
  return TYPESCRIPT.has(extname(file))
}

/** By extension, then the nearest package.json, then, as Node 22 does, by the text itself. Undefined: not ours to evaluate. */
export function formatOf(file: string, source: () => string): Format | undefined {
  switch (extname(file)) {
    case '.ts':
    case '.mts':
    case '.mjs':
      return 'module'
    case '.cts':
    case '.cjs':
      return 'commonjs'
    case '.json':
      return 'json'
    case '.js':
      return packageType(file) ?? (MODULE_SYNTAX.test(source()) ? 'module' : 'commonjs')
    default:
      return undefined
  }
}

function packageType(file: string): 'module' | 'commonjs' | undefined {
  for (let directory = dirname(file); ; ) {
    const manifest = readManifest(join(directory, 'package.json'))
    if (manifest !== undefined) {
      return manifest.type === 'module' || manifest.type === 'commonjs' ? manifest.type : undefined
    }
    const parent = dirname(directory)
    if (parent === directory || directory.endsWith(`${sep}node_modules`)) return undefined
    directory = parent
  }
}

interface Manifest {
  type?: unknown
  dependencies?: Record<string, unknown>
  peerDependencies?: Record<string, unknown>
  optionalDependencies?: Record<string, unknown>
}

export function readManifest(file: string): Manifest | undefined {
  if (!existsSync(file)) return undefined
  try {
    const manifest: unknown = JSON.parse(readFileSync(file, 'utf8'))
    return typeof manifest === 'object' && manifest !== null ? manifest : {}
  } catch {
    return {}
  }
}

/** The folder of the installed package that holds `file`; undefined for a file outside any `node_modules`. */
export function packageRoot(file: string): string | undefined {
  const marker = `${sep}node_modules${sep}`
  const start = file.lastIndexOf(marker)
  if (start < 0) return undefined
  const segments = file.slice(start + marker.length).split(sep)
  const name = segments.slice(0, segments[0]?.startsWith('@') ? 2 : 1)
  return file.slice(0, start + marker.length) + name.join(sep)
}
