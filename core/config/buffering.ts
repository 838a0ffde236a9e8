import type { BodyDeclaration } from '../hooks/types.js'
import type { Parts } from './build.js'
import { isPlain } from './document.js'
import type { ListingContext } from './listings.js'
import { isHttp2 } from './protocol.js'
import type { PluginUse } from './types.js'

/**
 * Bodies of HTTP/2 are streams for as long as both sides like, so that holding one back until its end may hold it back
 * for ever: a plugin that buffers has no place on a route whose service speaks nothing else. What `auto` comes to is
 * seen when it is connected, by whoever reads a body then.
 */
export function* checkBuffering(
  value: unknown,
  plugins: Parts['plugins'],
  context: ListingContext
): Generator<void> {
  if (!isPlain(value) || !Array.isArray(value.routes) || !isPlain(value.services)) return
  const told = new Set<PluginUse>()
  for (const [index, route] of value.routes.entries()) {
    yield
    const name = isPlain(route) ? route.service : undefined
    if (typeof name !== 'string' || !Object.hasOwn(value.services, name)) continue
    const service = value.services[name]
    if (!isPlain(service) || !isHttp2(service.protocol)) continue
    const uses = [...plugins.top, ...(plugins.routes[index] ?? []), ...(plugins.services.get(name) ?? [])]
    for (const use of uses) {
      const kind = buffered(use)
      const path = context.places.get(use)
      // One that stands at the top is on many routes, and it is one mistake.
      if (kind === undefined || path === undefined || told.has(use)) continue
      told.add(use)
      const where = `route ${JSON.stringify((route as { name?: unknown }).name ?? index)}`
      context.report.add(
        path,
        `${use.name} buffers ${kind} bodies, and ${where} goes to ${name}, whose protocol is ${service.protocol}: bodies of HTTP/2 are streamed`,
        'key'
      )
    }
  }
}

function buffered({ plugin, config }: PluginUse): 'request' | 'response' | undefined {
  let body: BodyDeclaration | undefined
  try {
    body = typeof plugin.body === 'function' ? plugin.body(config) : plugin.body
  } catch {
    // What it throws is told with the plugin's name when it is set up.
    return undefined
  }
  if (body?.request === 'buffer') return 'request'
  return body?.response === 'buffer' ? 'response' : undefined
}
