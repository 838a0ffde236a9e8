// Reads a V8 profile: which layer had the time.

interface Node {
  readonly id: number
  readonly callFrame: { readonly functionName: string; readonly url: string; readonly lineNumber: number }
  readonly children?: readonly number[]
}

export interface CpuProfile {
  readonly nodes: readonly Node[]
  /** µs */
  readonly startTime: number
  readonly samples: readonly number[]
  /** µs between samples. */
  readonly timeDeltas: readonly number[]
}

export interface Part {
  readonly name: string
  /** µs */
  time: number
}

export interface Layers {
  readonly layers: readonly Part[]
  readonly functions: readonly Part[]
  /** µs, without the time that nothing ran. */
  readonly total: number
}

/** By the file that a function is in; the first that fits. */
const LAYERS: readonly [pattern: RegExp, layer: string][] = [
  [/^node:(_http|internal\/http)/, 'node http'],
  [/^node:/, 'node net, streams and the rest'],
  [/node_modules\/undici\//, 'undici'],
  [/node_modules\/@fastify\/(http-proxy|reply-from)\//, 'http-proxy and reply-from'],
  [/node_modules\/(fastify|find-my-way|avvio|@fastify)\//, 'fastify'],
  [/node_modules\/tapable\//, 'hooks (tapable)'],
  [/node_modules\/([^/]+)\//, 'package $1'],
  // The fast lane, which is files of folders that have others too.
  [/\/core\/(exchange|server|service)\/lane[^/]*$/, 'fast lane: core/$1'],
  [/\/core\/http1\//, 'fast lane: core/http1'],
  [/\/core\/(hooks|exchange|server|service|route|metrics|pipeline)\//, 'core/$1'],
  [/\/core\//, 'core, the rest'],
  [/\/plugins\/([^/]+)\//, 'plugin $1']
]

/** Native functions that hand bytes to the system. */
const WRITES = /^(write(v|Buffer|Latin1String|Utf8String|AsciiString)|shutdown)$/

/**
 * @param from µs after the profile's start
 * @param to µs after the profile's start
 */
export function readProfile(profile: CpuProfile, from: number, to: number): Layers {
  const nodes = new Map(profile.nodes.map((node) => [node.id, node]))
  const parents = new Map<number, number>()
  for (const node of profile.nodes) for (const child of node.children ?? []) parents.set(child, node.id)

  const layerOf = (id: number): string => {
    const { functionName, url } = (nodes.get(id) as Node).callFrame
    if (functionName === '(garbage collector)') return 'garbage collection'
    if (functionName === '(program)') return 'native: sockets, parser, timers'
    if (functionName === '(idle)') return IDLE
    if (WRITES.test(functionName) && url === '') return 'native: writes to sockets'
    for (const [pattern, layer] of LAYERS) {
      const match = pattern.exec(url)
      if (match !== null) return layer.replace('$1', match[1] ?? '')
    }
    // What is built in belongs to whoever called it, and so does what is compiled at run time.
    const parent = parents.get(id)
    return parent === undefined ? 'native: sockets, parser, timers' : layerOf(parent)
  }

  const layers = new Map<string, number>()
  const functions = new Map<string, number>()
  const known = new Map<number, { layer: string; label: string }>()
  let at = 0
  let total = 0
  for (const [i, id] of profile.samples.entries()) {
    const delta = profile.timeDeltas[i] as number
    at += delta
    if (at < from || at > to) continue
    let found = known.get(id)
    if (found === undefined) {
      found = { layer: layerOf(id), label: labelOf(nodes.get(id) as Node) }
      known.set(id, found)
    }
    if (found.layer === IDLE) continue
    total += delta
    layers.set(found.layer, (layers.get(found.layer) ?? 0) + delta)
    functions.set(found.label, (functions.get(found.label) ?? 0) + delta)
  }
  return { layers: sorted(layers), functions: sorted(functions), total }
}

const IDLE = '(idle)'

function labelOf({ callFrame: { functionName, url, lineNumber } }: Node): string {
  const file = url
    .replace(/^file:\/\//, '')
    .replace(/.*\/node_modules\//, '')
    .replace(/.*\/((core|plugins|peers)\/)/, '$1')
  const name = functionName === '' ? '(anonymous)' : functionName
  return file === '' ? name : `${name} ${file}:${lineNumber + 1}`
}

function sorted(times: ReadonlyMap<string, number>): Part[] {
  return [...times].map(([name, time]) => ({ name, time })).sort((a, b) => b.time - a.time)
}
