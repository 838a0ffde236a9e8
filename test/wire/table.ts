// The table in README.md: a row a case, a cell a proxy.
import { fieldOf } from '../support/raw-upstream.js'
import type { Observation, WireCase } from './case.js'
import { groups } from './cases/index.js'
import { proven } from './cases/proven.js'

export const BEGIN = '<!-- cases: written by node test/wire/peers/run.mjs -->'
export const END = '<!-- end of cases -->'

/** Beyond this a value is told by its length. */
const LONG = 48

/** What one proxy made of one case, in few words. */
export function cellOf(one: WireCase, seen: Observation): string {
  const { statuses, end, upstream, unfinished } = seen
  const ends = end === 'closed' ? ', closed' : end === 'silent' ? ', left hanging' : ''
  const broken = statuses.length > 0 && !seen.complete ? ' (broken off)' : ''
  const parts = [`${statusesOf(statuses)}${broken}${ends}`]
  if (upstream.length > 0) {
    parts.push(`upstream ${upstream.map((request) => requestOf(one, request)).join(', ')}`)
  } else if (unfinished.length > 0) parts.push('upstream saw it begin, not end')
  if (seen.violations.length > 0) parts.push('**an unreadable request went upstream**')
  if (seen.bystander !== undefined) parts.push('**another client got a wrong answer**')
  return parts.join('; ')
}

function statusesOf(statuses: readonly number[]): string {
  if (statuses.length === 0) return 'no answer'
  if (statuses.length > 6)
    return `${statuses.slice(0, 3).join(', ')}, … (${statuses.length}), ${statuses.at(-1)}`
  return statuses.join(', ')
}

function requestOf(one: WireCase, request: Observation['upstream'][number]): string {
  const { method, target, body } = request
  const shown = (one.shows ?? []).flatMap((name) => {
    const value = fieldOf(request, name)
    return value === undefined ? [] : [`${name}: ${brief(value)}`]
  })
  const upload =
    one.expect.uploads === undefined
      ? []
      : [`body ${body.length === 0 ? 'empty' : code(body.toString('latin1'))}`]
  const extra = [...shown.map(code), ...upload]
  return `${code(`${method} ${target}`)}${extra.length > 0 ? ` (${extra.join(', ')})` : ''}`
}

function brief(text: string): string {
  return text.length > LONG ? `${text.slice(0, 8)}… (${text.length} bytes)` : text
}

function code(text: string): string {
  const plain = brief(text).replace(/[^\x20-\x7e…]/g, (byte) => `<${byte.charCodeAt(0).toString(16)}>`)
  return `\`${plain.replaceAll('|', '\\|').replaceAll('`', "'")}\``
}

export interface Column {
  readonly title: string
  /** Undefined: not compared. */
  cell(one: WireCase): string | undefined
}

export function tableOf(columns: readonly Column[]): string {
  const lines: string[] = []
  for (const { title, cases } of groups) {
    lines.push(`### ${title}`, '')
    lines.push(`| case | | ${columns.map((column) => column.title).join(' | ')} |`)
    lines.push(`|---|---|${columns.map(() => '---|').join('')}`)
    for (const one of cases) {
      const cells = columns.map((column) => column.cell(one) ?? '')
      const says = one.note === undefined ? one.says : `${one.says} (${one.note})`
      lines.push(`| ${one.id} | ${says.replaceAll('|', '\\|')} | ${cells.join(' | ')} |`)
    }
    lines.push('')
  }
  lines.push('### Shown by tests of their own', '', '| case | | test |', '|---|---|---|')
  for (const { id, says, file, test } of proven) lines.push(`| ${id} | ${says} | ${file}: ${test} |`)
  return `${lines.join('\n')}\n`
}

/** The ids that stand in a README's table. */
export function idsIn(markdown: string): Set<string> {
  return new Set([...markdown.matchAll(/^\| ([a-z0-9]+\/[a-z0-9-]+) \|/gm)].map(([, id]) => id as string))
}
