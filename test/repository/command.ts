import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'

/** The checkout that these tests are in. */
export const checkout = fileURLToPath(new URL('../..', import.meta.url))

export interface Ended {
  code: number | string | null | undefined
  stdout: string
  stderr: string
}

/** This process's environment as it was before npm and tap put their own settings in. */
export function environment(): NodeJS.ProcessEnv {
  const { NODE_OPTIONS, ...rest } = process.env
  return Object.fromEntries(
    Object.entries(rest).filter(([name]) => !/^(_?TAP|npm_(?!config_)|npm_config_local_prefix)/.test(name))
  )
}

/** Runs a command to its end. */
export function command(file: string, args: readonly string[], cwd = checkout): Promise<Ended> {
  return new Promise((resolve) => {
    const options = { cwd, env: environment(), maxBuffer: 16 * 1024 * 1024 }
    execFile(file, args, options, (error, stdout, stderr) => {
      resolve({ code: error === null ? 0 : (error.code ?? error.signal), stdout, stderr })
    })
  })
}

/** @throws with all it said when it does not exit with 0 */
export async function succeeds(file: string, args: readonly string[], cwd?: string): Promise<Ended> {
  const ended = await command(file, args, cwd)
  if (ended.code === 0) return ended
  throw new Error(`${file} ${args.join(' ')} ended with ${ended.code}\n${ended.stdout}\n${ended.stderr}`)
}
