// plugins/README.md: what the plugins are, and what becomes of each beside each other, from the rules.
import type { Place, Plugin } from '../../core/index.js'
import type { Rule } from './rule.js'
import { ANSWERING, ATTEMPTING } from './rules.js'
import type { PluginName } from './uses.js'

export const COMMAND = 'WRITE_PAGE=1 npx tap run test/compositions/page.test.ts'

/** Heads of columns: twenty whole names would be wider than any page. */
const SHORT: Readonly<Record<PluginName, string>> = {
  admission: 'ad',
  auth: 'au',
  canary: 'ca',
  'circuit-breaker': 'cb',
  concurrency: 'co',
  failover: 'fo',
  fault: 'fa',
  'grpc-health': 'gh',
  'health-check': 'hc',
  'load-balancer': 'lb',
  logging: 'lo',
  metrics: 'me',
  mirror: 'mi',
  'outlier-detection': 'od',
  'rate-limit': 'rl',
  redirect: 'rd',
  retry: 're',
  rewrite: 'rw',
  split: 'sp',
  timeout: 'ti'
}

const INDEPENDENT = '·'
const APART = '–'
const ALL_PLACES: readonly Place[] = ['top', 'route', 'service']

export interface Described {
  readonly name: PluginName
  readonly plugin: Plugin
}

export function pageOf(plugins: readonly Described[], rules: readonly Rule[]): string {
  return [
    '# Plugins',
    '',
    `<!-- Written by ${COMMAND} -->`,
    '',
    'Those that come with the proxy. Each has a page of its own, with its keys, its formula and an example.',
    '',
    '| plugin | stands at | what it does |',
    '| --- | --- | --- |',
    ...plugins.map(
      ({ name, plugin: { places = ALL_PLACES, description } }) =>
        `| [${name}](${name}/README.md) | ${places.join(', ')} | ${description} |`
    ),
    '',
    '## Beside each other',
    '',
    'The order of a list is the order in which its plugins are asked: `request`, `candidates`, `pick` and `attempt` from the top to the',
    'route to the service, `outcome` from the service outwards, and answers back in reverse. Most plugins need nothing more. Where two of',
    'them want different things of one request, what wins is below, and each rule is a test (`test/compositions`). Every pair is also run',
    'together, in every place and in both orders, to see that each request ends once and leaves nothing behind.',
    '',
    `A number leads to its rule. \`${INDEPENDENT}\` independent: both do what they do, in either order. \`${APART}\` apart: one of the two`,
    'answers without a service being asked, and what it answers the other never sees.',
    '',
    ...matrixOf(
      plugins.map(({ name }) => name),
      rules
    ),
    '',
    '## What wins',
    '',
    ...rules.map(({ about, wins }, i) => `${i + 1}. <a name="r${i + 1}"></a>**${about}**: ${wins}`),
    ''
  ].join('\n')
}

function matrixOf(names: readonly PluginName[], rules: readonly Rule[]): string[] {
  const cells = new Map<string, number[]>()
  const keyOf = (one: PluginName, other: PluginName) => [one, other].sort().join(' + ')
  for (const [i, { pairs }] of rules.entries()) {
    for (const [one, other] of pairs) {
      const key = keyOf(one, other)
      cells.set(key, [...(cells.get(key) ?? []), i + 1])
    }
  }
  const cellOf = (one: PluginName, other: PluginName) => {
    const numbers = cells.get(keyOf(one, other))
    if (numbers !== undefined) return numbers.map((number) => `[${number}](#r${number})`).join(' ')
    return areApart(one, other) || areApart(other, one) ? APART : INDEPENDENT
  }
  return [
    `| | | ${names.map((name) => SHORT[name]).join(' | ')} |`,
    `| --- | --- |${names.map(() => ':-:|').join('')}`,
    ...names.map((name, row) => {
      const line = names.map((other, column) => (column < row ? '' : cellOf(name, other)))
      return `| **${name}** | ${SHORT[name]} | ${line.join(' | ')} |`
    })
  ]
}

function areApart(one: PluginName, other: PluginName): boolean {
  return (
    (ANSWERING as readonly PluginName[]).includes(one) &&
    (ATTEMPTING as readonly PluginName[]).includes(other)
  )
}
