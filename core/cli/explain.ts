import { HOOK_NAMES } from '../hooks/names.js'
import type { Host } from '../host.js'
import type { Explanation, Proxy } from '../server/types.js'
import { UsageError } from './failure.js'

export interface ExplainOptions {
  file: string
  method: string
  url: string
  /** Fields as they were typed: `name: value`. */
  header: readonly string[]
  listener?: string
  json?: true
}

/** `outrigger explain`: builds the proxy without binding anything, asks it, and lets it go. */
export async function explain(host: Host, options: ExplainOptions): Promise<string> {
  const headers = parseHeaders(options.header)
  const method = options.method.toUpperCase()
  if (!/^[!#$%&'*+.^_`|~0-9A-Z-]+$/.test(method))
    throw new UsageError(`${JSON.stringify(method)} is not a method`)
  if (!/^(https?:\/\/[^/]|\/)/.test(options.url)) {
    throw new UsageError(
      `a URL is http://HOST/PATH or a path that starts with /, not ${JSON.stringify(options.url)}`
    )
  }
  const { prepareProxy } = await import('../server/create.js')
  const { build } = await prepareProxy(host, options.file)
  const proxy = await build()
  try {
    const explanation = ask(proxy, method, headers, options)
    return options.json === true ? JSON.stringify(explanation, null, 2) : formatExplanation(explanation)
  } finally {
    await proxy.close()
  }
}

function ask(
  proxy: Proxy,
  method: string,
  headers: Record<string, string>,
  { url, listener }: ExplainOptions
): Explanation {
  try {
    return proxy.explain(method, url, { headers, ...(listener === undefined ? {} : { listener }) })
  } catch (error) {
    // No such listener, or a URL that no request can have: both were typed here.
    if (error instanceof RangeError || error instanceof TypeError) throw new UsageError(error.message)
    throw error
  }
}

/** @throws UsageError on a field without a colon or a name */
export function parseHeaders(fields: readonly string[]): Record<string, string> {
  const headers: Record<string, string> = {}
  for (const field of fields) {
    const [, name, value] = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+):\s*(.*)$/.exec(field) ?? []
    if (name === undefined || value === undefined) {
      throw new UsageError(`a header is 'name: value', not ${JSON.stringify(field)}`)
    }
    const key = name.toLowerCase()
    headers[key] = headers[key] === undefined ? value : `${headers[key]}, ${value}`
  }
  return headers
}

/** For people; `--json` is for programs. */
export function formatExplanation({ request, route, service, why, others, hooks }: Explanation): string {
  const { method, host, path, query } = request
  const matched = route !== '-'
  const lines = [
    `${method} ${host === '' ? '' : `http://${host}`}${path}${query}`,
    '',
    ...row('route', [matched ? route : 'none: answered 404 NO_ROUTE']),
    ...row('service', [service ?? (matched ? 'none: the route answers by itself' : 'none')]),
    ...row('why', why)
  ]
  if (others.length > 0) {
    const width = Math.max(...others.map((other) => other.route.length))
    lines.push(
      ...row(
        'not',
        others.map((other) => `${other.route.padEnd(width)}  ${other.why}`)
      )
    )
  }
  const run = HOOK_NAMES.filter((hook) => (hooks[hook]?.length ?? 0) > 0)
  const order = run.map((hook) => `${hook.padEnd(10)}  ${hooks[hook]?.join(' -> ')}`)
  lines.push('', ...row('hooks', order.length > 0 ? order : ['no plugin runs on it']))
  return lines.join('\n')
}

function row(label: string, items: readonly string[]): string[] {
  return items.map((item, i) => `${(i === 0 ? label : '').padEnd(9)}${item}`)
}
