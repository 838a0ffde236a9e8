import { mkdir, readdir, writeFile } from 'node:fs/promises'
import { join, relative } from 'node:path'
import type { Host } from '../host.js'
import { UsageError } from './failure.js'
import { pluginFiles } from './plugin-template.js'

const NAME = /^[a-z][a-z0-9]*(-[a-z0-9]+)*$/
const PREFIX = 'outrigger-plugin-'

/**
 * `outrigger new plugin`: writes into a folder of the plugin's name, which it makes.
 *
 * @param parent where that folder is made; made itself when it is missing
 * @param host this package, which the plugin is for
 * @returns what to do next, for whoever asked
 * @throws UsageError on a name that no plugin may have, and when there is anything in that folder already
 */
export async function newPlugin(name: string, parent: string, host: Host): Promise<string> {
  const { version } = host
  if (name.startsWith(PREFIX)) {
    throw new UsageError(
      `${JSON.stringify(name)}: leave out ${PREFIX}, which is added where packages are named`
    )
  }
  if (!NAME.test(name) || name.length > 64) {
    const hint = suggestion(name)
    throw new UsageError(
      `a plugin's name is lower case letters, digits and dashes, not ${JSON.stringify(name)}${hint === undefined ? '' : ` (${hint}?)`}`
    )
  }
  if (host.builtins.has(name))
    throw new UsageError(`${JSON.stringify(name)} is built in: choose another name`)
  const folder = join(parent, name)
  try {
    await mkdir(folder, { recursive: true })
    if ((await readdir(folder)).length > 0)
      throw new UsageError(`${folder} is there already, and not empty: nothing was written`)
    for (const [file, text] of Object.entries(pluginFiles(name, version))) {
      // What appears in the meantime is not overwritten either.
      await writeFile(join(folder, file), text, { flag: 'wx' })
    }
  } catch (error) {
    if (error instanceof UsageError) throw error
    const { code, message } = error as NodeJS.ErrnoException
    throw new UsageError(
      `${folder} cannot be written: ${code === 'EEXIST' || code === 'ENOTDIR' ? 'a file is in the way' : message}`
    )
  }
  const shown = relative(process.cwd(), folder) || '.'
  return `${shown} holds the plugin ${name}. Try it:

  cd ${shown}
  npm test
  npx outrigger run sidecar.yaml`
}

/** What the name may have been meant to be; undefined when nothing is left of it. */
function suggestion(name: string): string | undefined {
  const better = name
    .replace(/([a-z0-9])([A-Z])/g, '$1-$2')
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^[^a-z]+|-+$/g, '')
  return NAME.test(better) && better !== name ? better : undefined
}
