import type { Jiti } from 'jiti'

/** One of the user's files, evaluated once for all who import it. */
export class LoadedFile {
  /** What each specifier in it led to, for files of the user's own. */
  readonly imports = new Map<string, LoadedFile>()
  readonly module: { exports: unknown } = { exports: {} }
  /** Files it is held up by while it is being evaluated. */
  readonly waitingFor = new Set<LoadedFile>()
  ready = false
  done: Promise<void> = Promise.resolve()
  readonly file: string
  readonly source: string
  /** Resolves what this file imports, and transpiles it. */
  readonly jiti: Jiti

  constructor(file: string, source: string, jiti: Jiti) {
    this.file = file
    this.source = source
    this.jiti = jiti
  }

  /** Whether waiting for this file would be waiting for `other`: an import cycle when `other` is who asks. */
  waitsFor(other: LoadedFile, seen = new Set<LoadedFile>()): boolean {
    if (this === other) return true
    if (seen.has(this)) return false
    seen.add(this)
    for (const next of this.waitingFor) if (next.waitsFor(other, seen)) return true
    return false
  }
}

/** `file` and everything it imports, each once. */
export function closure(root: LoadedFile): Set<LoadedFile> {
  const found = new Set([root])
  for (const file of found) for (const imported of file.imports.values()) found.add(imported)
  return found
}

/** The given files and everything that imports them. */
export function dependents(changed: Iterable<LoadedFile>, all: Iterable<LoadedFile>): Set<LoadedFile> {
  const importers = new Map<LoadedFile, LoadedFile[]>()
  for (const file of all) {
    for (const imported of file.imports.values()) {
      const known = importers.get(imported)
      if (known === undefined) importers.set(imported, [file])
      else known.push(file)
    }
  }
  const found = new Set(changed)
  for (const file of found) for (const importer of importers.get(file) ?? []) found.add(importer)
  return found
}
