import type { Config, PluginUse } from '../config/types.js'
import type { Place, Plugin } from '../hooks/plugin.js'
import type { HookName } from '../hooks/types.js'
import type { Host } from '../host.js'
import { configKeys, type JsonSchema, sampleConfigs, schemaOf } from './config-keys.js'
import { hooksOf, placesOf } from './dry-run.js'

/** One plugin of `outrigger plugins`; with `--json`, this is an item of the list. */
export interface ListedPlugin {
  name: string
  version: string | undefined
  description: string | undefined
  /** `built in`, or how the configuration names it. */
  source: string
  places: readonly Place[]
  /** Undefined: its setup could not be asked. */
  hooks: HookName[] | undefined
  /** Where the configuration lists it; undefined without a configuration. */
  listed: string[] | undefined
  config: JsonSchema | undefined
}

interface Found {
  plugin: Plugin
  source: string
  configs: unknown[]
  listed: string[] | undefined
}

/** `outrigger plugins`: the built-in ones, and with a file those it names besides. */
export async function plugins(host: Host, file: string | undefined, json: boolean): Promise<string> {
  let config: Config | undefined
  if (file !== undefined) {
    const { checkConfig } = await import('../server/load.js')
    config = await checkConfig(host, file)
  }
  const listed = await listPlugins(host, config)
  return json ? JSON.stringify(listed, null, 2) : listed.map(formatPlugin).join('\n\n')
}

export async function listPlugins(host: Host, config: Config | undefined): Promise<ListedPlugin[]> {
  const found: Found[] = []
  for (const load of host.builtins.values()) {
    const plugin = await load()
    found.push({ plugin, source: 'built in', configs: sampleConfigs(plugin), listed: config && [] })
  }
  for (const [use, where] of config === undefined ? [] : usesOf(config)) {
    let known = found.find(({ plugin }) => plugin === use.plugin)
    if (known === undefined)
      found.push((known = { plugin: use.plugin, source: use.name, configs: [], listed: [] }))
    known.configs.push(use.config)
    known.listed?.push(where)
  }
  return Promise.all(found.map((each) => describe(each, config?.directory)))
}

function* usesOf(config: Config): Iterable<[PluginUse, where: string]> {
  for (const use of config.plugins) yield [use, 'top']
  for (const service of config.services.values())
    for (const use of service.plugins) yield [use, `service ${service.name}`]
  for (const route of config.routes) for (const use of route.plugins) yield [use, `route ${route.name}`]
}

async function describe(
  { plugin, source, configs, listed }: Found,
  directory = process.cwd()
): Promise<ListedPlugin> {
  const answers = (await Promise.all(configs.map((config) => hooksOf(plugin, config, directory)))).filter(
    (answer) => answer !== undefined
  )
  const hooks = answers.length === 0 ? undefined : [...new Set(answers.flat())]
  const { name, version, description } = plugin
  return {
    name,
    version,
    description,
    source,
    places: placesOf(plugin, hooks),
    hooks,
    listed,
    config: schemaOf(plugin)
  }
}

function formatPlugin({
  name,
  version,
  description,
  source,
  places,
  hooks,
  listed,
  config
}: ListedPlugin): string {
  const lines = [`${name}${version === undefined ? '' : ` ${version}`}  (${source})`]
  if (description !== undefined) lines.push(`  ${description}`)
  lines.push(`  places  ${places.join(', ')}`)
  lines.push(`  hooks   ${hooksLine(hooks, config !== undefined)}`)
  if (listed !== undefined) lines.push(`  listed  ${listed.length === 0 ? 'nowhere' : listed.join(', ')}`)
  const keys = config === undefined ? [] : configKeys(config)
  if (keys.length === 0) return [...lines, '  config  none'].join('\n')
  lines.push('  config')
  const width = Math.max(...keys.map(({ path }) => path.length))
  for (const key of keys) {
    const note = key.required ? ', required' : key.default === undefined ? '' : `, default ${key.default}`
    lines.push(`    ${key.path.padEnd(width)}  ${key.type}${note}`)
    if (key.description !== undefined) lines.push(`    ${''.padEnd(width)}    ${key.description}`)
  }
  return lines.join('\n')
}

/** Without a configuration some plugins have no hook yet, and some cannot even be set up. */
function hooksLine(hooks: readonly string[] | undefined, configurable: boolean): string {
  if (hooks !== undefined && hooks.length > 0) return hooks.join(', ')
  if (configurable) return 'as its configuration has it'
  return hooks === undefined ? 'not known: its setup asks for more than a listing has' : 'none'
}
