import { Pace } from '../hooks/pace.js'
import type { Host } from '../host.js'
import { ModuleLoader } from '../modules/load.js'
import { checkBuffering } from './buffering.js'
import { build } from './build.js'
import { Certificates } from './certificates.js'
import { checkFile } from './check-file.js'
import { isPlain } from './document.js'
import { substitute } from './environment.js'
import { PluginFinder } from './find-plugin.js'
import { type ListingContext, readListings } from './listings.js'
import { maskAt } from './mask.js'
import { ConfigError } from './problem.js'
import { readSource } from './read-source.js'
import { checkReferences } from './references.js'
import { Report } from './report.js'
import type { Config, PluginUse } from './types.js'

export interface LoadOptions {
  readonly host: Host
  /** What `${NAME}` reads. Default: the process's. */
  readonly env?: NodeJS.ProcessEnv
  /** Keep one over reloads: files that have not changed are then not read again. Default: a new one. */
  readonly loader?: ModuleLoader
  /** What relative paths of an object are resolved against. Default: the working directory. A file has its own. */
  readonly directory?: string
  /** How the work is cut into slices, between which everything else goes on. Default: slices of 1 ms. */
  readonly pace?: Pace
}

/**
 * Reads a configuration and checks all of it: its shape, what its parts ask of each other, each plugin's own
 * configuration, certificates and the environment.
 *
 * @param source a file (.yaml, .yml, .json), a module (.ts, .mts, .js, .mjs) whose default export is `defineConfig(...)`,
 *   or such an object
 * @throws ConfigError with everything that is wrong, in the order of the file
 */
export async function loadConfig(source: string | object, options: LoadOptions): Promise<Config> {
  const { host, env = process.env, loader = new ModuleLoader(host.modules), pace = new Pace() } = options
  const { document, problems, file, directory } = await readSource(source, loader, pace, options.directory)
  const report = new Report(document)
  for (const problem of problems) report.addPlaced(problem)

  const { value, typed } = await pace.run(
    substitute(document, env, (path, message) => report.addLast(path, message))
  )
  report.value = value

  const finder = new PluginFinder(host, loader, directory)
  const services = isPlain(value) && isPlain(value.services) ? Object.keys(value.services) : []
  await pace.rest()
  const context: ListingContext = {
    document,
    typed,
    finder,
    report,
    services,
    secrets: new Map(),
    places: new Map()
  }
  const certificates = new Certificates(directory, report)

  const outcome = await checkFile(value, typed, pace)
  if ('findings' in outcome) await pace.run(report.addAllOf(outcome.findings))
  await pace.run(checkReferences(value, report))
  await certificates.read(value)
  await pace.rest()
  const plugins = await readPlugins(value, context, pace)
  await pace.run(checkBuffering(value, plugins, context))

  const built =
    'value' in outcome ? await pace.run(build(outcome.value, { directory, plugins, report })) : undefined
  if (built === undefined || !report.isEmpty) throw new ConfigError(report.problems)

  const modules = [...finder.files].flatMap((each) => [each, ...loader.files(each)])
  const own = file === undefined ? [] : [file, ...loader.files(file)]
  return {
    ...built,
    file,
    directory,
    masked: await pace.run(maskAt(document.written, context.secrets, document.owned)),
    watched: [...new Set([...own, ...modules, ...certificates.files])]
  }
}

async function readPlugins(value: unknown, context: ListingContext, pace: Pace) {
  const services = new Map<string, PluginUse[]>()
  const routes: PluginUse[][] = []
  if (!isPlain(value)) return { top: [], services, routes }
  const top = await readListings(value.plugins, 'top', ['plugins'], context)
  const listed = isPlain(value.services) ? value.services : {}
  for (const name of Object.keys(listed)) {
    const service = listed[name]
    if (!isPlain(service)) continue
    services.set(name, await readListings(service.plugins, 'service', ['services', name, 'plugins'], context))
    if (pace.due) await pace.turn()
  }
  for (const [index, route] of (Array.isArray(value.routes) ? value.routes : []).entries()) {
    const plugins: unknown = isPlain(route) ? route.plugins : undefined
    routes.push(await readListings(plugins, 'route', ['routes', index, 'plugins'], context))
    if (pace.due) await pace.turn()
  }
  return { top, services, routes }
}
