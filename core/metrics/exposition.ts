import type { Registry } from 'prom-client'
import type { Sample } from './cells.js'

type PromClient = typeof import('prom-client')

/** prom-client, and Node's own metrics: both are the process's, however many proxies it holds. */
interface Loaded {
  readonly client: PromClient
  readonly node: Registry
}

/** A metric as a scrape shows it. */
export interface Exposed {
  readonly name: string
  readonly help: string
  /** Prometheus' word for it: `counter`, `gauge`, `histogram`, `summary`. */
  readonly kind: string
  samples(): Sample[]
}

let loading: Promise<Loaded> | undefined

/**
 * Loads prom-client (some 30 ms) and starts Node's own metrics, once per process. CPU time is counted from the process's start;
 * garbage collection and event loop delay from here on.
 */
export function loadExposition(): Promise<Loaded> {
  loading ??= import('prom-client').then(({ default: client }) => {
    const node = new client.Registry()
    client.collectDefaultMetrics({ register: node })
    // prom-client counts from the moment it is asked; what starting up cost belongs to the total.
    const { user, system } = process.cpuUsage()
    addTo(node, 'process_cpu_user_seconds_total', user)
    addTo(node, 'process_cpu_system_seconds_total', system)
    addTo(node, 'process_cpu_seconds_total', user + system)
    return { client, node }
  })
  return loading
}

function addTo(registry: Registry, name: string, micros: number): void {
  const counter = registry.getSingleMetric(name) as { inc?(by: number): void } | undefined
  counter?.inc?.(micros / 1e6)
}

/** Lines that are made in one go: some 2 ms. */
const SLICE = 1000

/** Node's own metrics of this process. */
export async function nodeMetrics(): Promise<Exposed[]> {
  const { node } = await loadExposition()
  const metrics = node.getMetricsAsArray() as unknown as readonly Readable[]
  return Promise.all(
    metrics.map(async (metric) => {
      const { name, help, type, values } = await metric.get()
      const samples = () => values.map((value) => ({ ...value, sharedLabels: NO_LABELS }))
      return { name, help, kind: type, samples }
    })
  )
}

/** prom-client's types leave out that every metric can be read. */
interface Readable {
  get(): Promise<{
    name: string
    help: string
    type: string
    values: { value: number; labels: Record<string, string | number>; metricName?: string }[]
  }>
}

const NO_LABELS = Object.freeze({})

/**
 * The Prometheus text of these families and of Node itself. The event loop is let go after every metric and every
 * thousand lines, so that a scrape of many series does not hold up requests.
 */
export async function exposeText(
  families: Iterable<Exposed>
): Promise<{ text: string; contentType: string }> {
  const { node } = await loadExposition()
  const shown = await exposeFamilies(families)
  const parts = [shown.text.trimEnd()]
  for (const { name } of node.getMetricsAsArray()) {
    parts.push(await node.getSingleMetricAsString(name))
    await nextTurn()
  }
  return { text: `${parts.join('\n\n')}\n`, contentType: shown.contentType }
}

/** The same of these families alone. */
export async function exposeFamilies(
  families: Iterable<Exposed>
): Promise<{ text: string; contentType: string }> {
  const { client, node } = await loadExposition()
  const parts: string[] = []
  for (const family of families) parts.push(await familyText(new client.Registry(), family))
  return { text: `${parts.join('\n\n')}\n`, contentType: node.contentType }
}

async function familyText(registry: Registry, family: Exposed): Promise<string> {
  const { name, help, kind: type } = family
  const samples = family.samples()
  const parts: string[] = []
  for (let start = 0; start === 0 || start < samples.length; start += SLICE) {
    // What prom-client's Registry asks of a metric: a name to file it under, and `get()` for its lines.
    const values = samples.slice(start, start + SLICE)
    const metric = { name, help, type, get: () => ({ name, help, type, values }) }
    registry.removeSingleMetric(name)
    registry.registerMetric(metric as unknown as Parameters<Registry['registerMetric']>[0])
    const text = await registry.getSingleMetricAsString(name)
    parts.push(start === 0 ? text : withoutHeading(text))
    await nextTurn()
  }
  return parts.join('\n')
}

/** A slice that goes on where another ended must not say HELP and TYPE again. */
function withoutHeading(text: string): string {
  return text.slice(text.indexOf('\n', text.indexOf('\n') + 1) + 1)
}

function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}
