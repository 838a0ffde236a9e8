import { z } from 'zod'
import { type CheckContext, isPlugin, type Place, type Plugin } from '../hooks/plugin.js'
import { checkPart, checkPartNow } from './check-part.js'
import { isPlain, type SourceDocument } from './document.js'
import type { Substituted } from './environment.js'
import type { PluginFinder } from './find-plugin.js'
import { shapeKeys } from './issues.js'
import { when } from './match-schema.js'
import { type Path, pathKey } from './path.js'
import { either, expected } from './quote.js'
import type { Report } from './report.js'
import { secretPaths } from './secret-fields.js'
import { configSchemaOf } from './strict.js'
import type { PluginUse } from './types.js'
import { duration } from './units.js'

/** What every plugin's configuration may have beside the plugin's own keys. */
export const commonKeys = z.strictObject({
  disable: z.boolean().describe('True: as though it were not listed, though still checked.').default(false),
  when: when.optional(),
  onFailure: z
    .enum(['close', 'skip'])
    .describe('When it throws or overruns: the request fails (close), or goes on without it (skip).')
    .default('close'),
  hookTimeout: duration({ min: 1 }).describe('For one call of one hook.').default('5s')
})

const COMMON = Object.keys(commonKeys.shape)
/** Of a listing that has none of them. */
const DEFAULTS = commonKeys.parse({})

const PLACES: Record<Place, string> = { top: 'at the top', route: 'on a route', service: 'on a service' }

export interface ListingContext {
  readonly document: SourceDocument
  readonly typed: Substituted['typed']
  readonly finder: PluginFinder
  readonly report: Report
  /** Names of those that are configured. */
  readonly services: readonly string[]
  /** Gathers what plugins' schemas say of secrets, by `pathKey`. */
  readonly secrets: Map<string, boolean>
  /** Gathers where each use stands, for what is found wrong with it later. */
  readonly places: Map<PluginUse, Path>
}

interface Listing {
  /** As listed; undefined for a plugin that stands there itself. */
  readonly name: string | undefined
  readonly plugin: Plugin | undefined
  readonly config: unknown
  readonly path: Path
  readonly configPath: Path
}

/**
 * The plugins of one list, checked. What is wrong goes to the report; a listing that is disabled is checked and left out.
 *
 * @param list `name`, `{ name: config }`, in an object also a plugin itself or `[plugin, config]`
 * @param path where the list stands
 */
export async function readListings(
  list: unknown,
  place: Place,
  path: Path,
  context: ListingContext
): Promise<PluginUse[]> {
  // Anything but a list is the schema's to complain of.
  if (!Array.isArray(list)) return []
  const uses: PluginUse[] = []
  for (const [index, item] of list.entries()) {
    const listing = readListing(item, [...path, index], context.report)
    const use = listing === undefined ? undefined : await readUse(listing, place, context)
    if (use === undefined) continue
    uses.push(use)
    if (listing !== undefined) context.places.set(use, listing.plugin ? listing.path : listing.configPath)
  }
  return uses
}

function readListing(item: unknown, path: Path, report: Report): Listing | undefined {
  if (typeof item === 'string') return { name: item, plugin: undefined, config: {}, path, configPath: path }
  if (isPlugin(item)) return { name: undefined, plugin: item, config: {}, path, configPath: path }
  if (Array.isArray(item)) {
    const [plugin, config, ...rest] = item
    const configPath = [...path, 1]
    if (isPlugin(plugin) && rest.length === 0)
      return { name: undefined, plugin, config: config ?? {}, path, configPath }
    report.add(path, 'expected a plugin and its configuration, [plugin, { ... }], not another list')
    return undefined
  }
  if (!isPlain(item)) {
    report.add(path, expected("a plugin's name, or { name: { ... } }", item))
    return undefined
  }
  const names = Object.keys(item)
  const [name, second] = names
  if (name === undefined || second !== undefined) {
    const found = names.map((each) => JSON.stringify(each))
    const hint =
      names.length > 1 && item[name as string] === null ? `: indent what belongs to ${found[0]} under it` : ''
    report.add(
      path,
      `expected one key, the plugin's name, not ${names.length === 0 ? 'none' : either(found, 'and')}${hint}`
    )
    return undefined
  }
  return { name, plugin: undefined, config: item[name] ?? {}, path, configPath: [...path, name] }
}

async function readUse(
  listing: Listing,
  place: Place,
  context: ListingContext
): Promise<PluginUse | undefined> {
  const { report, finder, typed, document } = context
  const { path, configPath } = listing
  const found =
    listing.plugin === undefined ? await finder.find(listing.name as string) : { plugin: listing.plugin }
  if ('problem' in found) {
    report.add(configPath, found.problem, 'key')
    return undefined
  }
  const { plugin } = found
  const { places, name } = plugin
  if (places !== undefined && !places.includes(place)) {
    const allowed = either(places.map((each) => PLACES[each]))
    report.add(configPath, `${name} stands ${allowed}, not ${PLACES[place]}`, 'key')
  }
  if (!isPlain(listing.config)) {
    report.add(configPath, expected(`the configuration of ${name} as an object`, listing.config))
    return undefined
  }
  const [common, own] = split(listing.config)
  const commonOutcome =
    common === undefined ? { value: DEFAULTS } : checkPartNow(commonKeys, common, configPath, typed)
  if ('findings' in commonOutcome) report.addAll(commonOutcome.findings, configPath)
  const config = await readOwn(plugin, own, configPath, context)
  if (config !== undefined && 'value' in commonOutcome)
    checkOwn(
      plugin,
      { config: config.value, place, hookTimeout: commonOutcome.value.hookTimeout },
      configPath,
      context
    )
  if ('findings' in commonOutcome || config === undefined || commonOutcome.value.disable) return undefined
  const { when, onFailure, hookTimeout } = commonOutcome.value
  return {
    name,
    plugin,
    config: config.value,
    when: when === undefined ? undefined : { path: when.path, methods: when.methods, headers: when.headers },
    onFailure,
    hookTimeout,
    at: document.label(path)
  }
}

function checkOwn(
  plugin: Plugin,
  listing: Omit<CheckContext<unknown>, 'services'>,
  path: Path,
  { report, services, secrets }: ListingContext
): void {
  try {
    const faults = plugin.check?.({ ...listing, services }) ?? []
    for (const fault of faults) {
      const at = [...path, ...(fault.path ?? [])]
      report.add(at, fault.message, fault.path === undefined ? 'key' : 'value', secrets.get(pathKey(at)))
    }
  } catch (error) {
    report.add(path, `the check of ${plugin.name} failed: ${(error as Error).message}`, 'key')
  }
}

async function readOwn(
  plugin: Plugin,
  own: Record<string, unknown>,
  path: Path,
  { report, typed, secrets }: ListingContext
): Promise<{ value: unknown } | undefined> {
  let schema: z.ZodType
  try {
    schema = configSchemaOf(plugin)
    const taken = shapeKeys(schema).find((key) => COMMON.includes(key))
    if (taken !== undefined)
      throw new Error(`it has the key ${JSON.stringify(taken)}, which every plugin has`)
  } catch (error) {
    report.add(path, `the config schema of ${plugin.name} is not usable: ${(error as Error).message}`, 'key')
    return undefined
  }
  if (plugin.config !== undefined) secretPaths(plugin.config, own, path, secrets)
  const outcome = await checkPart(schema, own, path, typed, COMMON)
  if ('value' in outcome) return outcome
  report.addAll(outcome.findings, path, secrets)
  return undefined
}

/** @returns no common part where there is nothing in it */
function split(
  config: Record<string, unknown>
): [common: Record<string, unknown> | undefined, own: Record<string, unknown>] {
  if (!COMMON.some((key) => Object.hasOwn(config, key))) return [undefined, { ...config }]
  const entries = Object.entries(config)
  return [
    Object.fromEntries(entries.filter(([key]) => COMMON.includes(key))),
    Object.fromEntries(entries.filter(([key]) => !COMMON.includes(key)))
  ]
}
