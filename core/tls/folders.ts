import { lstat, readlink } from 'node:fs/promises'
import { basename, dirname, parse, resolve, sep } from 'node:path'

/** As many as the kernel follows (`MAXSYMLINKS` of path_resolution(7)). */
const MAX_LINKS = 40

/** What is to be heeded in each folder, by its name there. */
export type Places = Map<string, Set<string>>

/**
 * Adds the places where something is changed when a file, or what it links to, becomes another: its own, that of each
 * link on the way, and the one where it ends. Kubernetes turns the link `..data` in a volume, ACME clients turn the
 * file itself, and others a folder of releases further up.
 *
 * @param file absolute
 */
export async function addPlaces(file: string, places: Places): Promise<void> {
  add(places, dirname(file), basename(file))
  let path = file
  for (let links = 0; links <= MAX_LINKS; links++) {
    const next = await behindFirstLink(path, places)
    if (next === undefined) return
    path = next
  }
}

/** @returns undefined when there is no link on the way, or the way ends */
async function behindFirstLink(path: string, places: Places): Promise<string | undefined> {
  let at = parse(path).root
  const parts = path.slice(at.length).split(sep)
  for (const [index, part] of parts.entries()) {
    const next = resolve(at, part)
    try {
      if ((await lstat(next)).isSymbolicLink()) {
        const target = await readlink(next)
        add(places, at, part)
        return resolve(at, target, ...parts.slice(index + 1))
      }
    } catch {
      // It is to come, in the folder that is there already.
      add(places, at, part)
      return undefined
    }
    at = next
  }
  add(places, dirname(path), basename(path))
  return undefined
}

function add(places: Places, folder: string, name: string): void {
  const names = places.get(folder)
  if (names === undefined) places.set(folder, new Set([name]))
  else names.add(name)
}
