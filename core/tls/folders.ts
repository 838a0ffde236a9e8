import { lstat, readlink } from 'node:fs/promises'
import { dirname, parse, resolve, sep } from 'node:path'

/** As many as the kernel follows (`MAXSYMLINKS` of path_resolution(7)). */
const MAX_LINKS = 40

/**
 * The folders in which something is changed when a file, or what it links to, becomes another: its own, the one each
 * link on the way stands in, and the one where it ends. Kubernetes turns the link `..data` in a volume, ACME clients
 * turn the file itself, and others a folder of releases further up.
 *
 * @param file absolute
 */
export async function foldersOf(file: string): Promise<Set<string>> {
  const folders = new Set([dirname(file)])
  await follow(file, folders, { links: 0 })
  return folders
}

async function follow(path: string, folders: Set<string>, count: { links: number }): Promise<void> {
  let at = parse(path).root
  const parts = path.slice(at.length).split(sep)
  for (const [index, part] of parts.entries()) {
    const next = resolve(at, part)
    let target: string | undefined
    try {
      if ((await lstat(next)).isSymbolicLink()) target = await readlink(next)
    } catch {
      // It is to come, in the folder that is there already.
      folders.add(at)
      return
    }
    if (target !== undefined) {
      folders.add(at)
      if (++count.links > MAX_LINKS) return
      return follow(resolve(at, target, ...parts.slice(index + 1)), folders, count)
    }
    at = next
  }
  folders.add(dirname(path))
}
