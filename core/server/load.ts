import { loadConfig } from '../config/load.js'
import type { Config } from '../config/types.js'
import { Pace } from '../hooks/pace.js'
import type { Host } from '../host.js'
import { ModuleLoader } from '../modules/load.js'
import { needsMet } from '../pipeline/needs.js'

export interface SourceOptions {
  /** What `${NAME}` reads. Default: the process's. */
  env?: NodeJS.ProcessEnv
  /** What relative paths are resolved against when the configuration is an object. Default: the working directory. */
  directory?: string
}

/**
 * Checks a configuration without starting any of it: the file, every plugin's part and what plugins need of each other.
 *
 * @throws ConfigError with everything that is wrong
 */
export async function checkConfig(
  host: Host,
  source: string | object,
  options: SourceOptions = {}
): Promise<Config> {
  const config = await load(host, source, options, new ModuleLoader(host.modules))
  await new Pace().run(needsMet(config))
  return config
}

/**
 * @param loader keeps what of users' files has not changed from one configuration to the next
 * @param pace how the work is cut into slices
 */
export function load(
  host: Host,
  source: string | object,
  options: SourceOptions,
  loader: ModuleLoader,
  pace = new Pace()
): Promise<Config> {
  const { env = process.env, directory = process.cwd() } = options
  return loadConfig(source, { host, loader, env, directory, pace })
}
