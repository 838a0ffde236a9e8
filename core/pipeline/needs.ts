import { ConfigError, type Problem } from '../config/problem.js'
import type { Config, PluginUse } from '../config/types.js'

/**
 * A plugin that needs a key stands behind one that provides it, on every route: at the top, then on the route, then
 * on the service.
 *
 * @throws ConfigError with each listing that does not
 */
export function checkNeeds(config: Config): void {
  const checking = needsMet(config)
  while (checking.next().done !== true);
}

/** The same, with a pause behind each route. */
export function* needsMet(config: Config): Generator<void> {
  const problems = new Map<string, Problem>()
  const check = (uses: readonly PluginUse[], where: () => string) => {
    const provided = new Set<string>()
    for (const [index, use] of uses.entries()) {
      for (const { name: key } of use.plugin.needs ?? []) {
        if (provided.has(key)) continue
        const behind = uses.slice(index + 1).find((other) => provides(other, key))
        const message =
          behind === undefined
            ? `${use.name} needs ${JSON.stringify(key)}, which no plugin before it provides ${where()}`
            : `${use.name} needs ${JSON.stringify(key)}: list it behind ${behind.name}, which provides it`
        problems.set(`${use.at} ${key}`, { at: use.at, path: '', message })
      }
      for (const { name } of use.plugin.provides ?? []) provided.add(name)
    }
  }
  check(config.plugins, () => 'at the top')
  for (const route of config.routes) {
    const service = route.service === undefined ? undefined : config.services.get(route.service)
    const uses = [...config.plugins, ...route.plugins, ...(service?.plugins ?? [])]
    check(uses, () => `on route ${route.name}`)
    yield
  }
  if (problems.size > 0) throw new ConfigError([...problems.values()])
}

function provides(use: PluginUse, key: string): boolean {
  return (use.plugin.provides ?? []).some(({ name }) => name === key)
}
