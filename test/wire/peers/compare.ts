// `node test/wire/peers/run.mjs [--write] [--only PATTERN]`: the same bytes to outrigger, nginx and HAProxy.
import { readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import type { Setup, WireCase } from '../case.js'
import { groups } from '../cases/index.js'
import { CaseUpstream, perform } from '../perform.js'
import { startWireProxy } from '../proxy.js'
import { BEGIN, type Column, cellOf, END, tableOf } from '../table.js'
import { type PeerName, startPeer, versionOf } from './servers.js'

const readme = join(dirname(dirname(fileURLToPath(import.meta.url))), 'README.md')
const PEERS: readonly PeerName[] = ['nginx', 'haproxy']
const TITLES: Record<PeerName, string> = { nginx: 'nginx', haproxy: 'HAProxy' }

const { values: options } = parseArgs({
  options: { write: { type: 'boolean', default: false }, only: { type: 'string', default: '.' } }
})
const say = (text: string) => process.stderr.write(`${text}\n`)

/** Plays every case through one proxy. */
async function column(
  title: string,
  url: (setup: Setup) => string,
  upstream: CaseUpstream,
  cases: readonly WireCase[],
  patience: number
): Promise<Column> {
  const cells = new Map<WireCase, string>()
  for (const one of cases) {
    const cell = await perform(one, { url, upstream, patience, lenient: true }).then(
      (seen) => cellOf(one, seen),
      (error: Error) => `not to be had: ${error.message}`
    )
    cells.set(one, cell)
  }
  say(`${title}: ${cells.size} cases`)
  return { title, cell: (one) => cells.get(one) }
}

export async function compare(): Promise<void> {
  const missing = PEERS.filter((name) => versionOf(name) === undefined)
  if (missing.length > 0) {
    say(`skipped: ${missing.join(' and ')} not installed (apt-get install nginx haproxy)`)
    return
  }
  if (options.write && options.only !== '.')
    throw new Error('only the whole table is written: --write goes without --only')
  const only = new RegExp(options.only)
  const cases = groups.flatMap((group) => group.cases).filter(({ id }) => only.test(id))
  const columns: Column[] = []
  const own = await CaseUpstream.start()
  const proxy = await startWireProxy(own.url)
  columns.push(await column('outrigger', (setup) => proxy.url(setup), own, cases, 4_000))
  await proxy.close()
  own.close()
  for (const name of PEERS) {
    const upstream = await CaseUpstream.start()
    const peer = await startPeer(name, Number(new URL(upstream.url).port))
    const comparable = cases.filter(({ ours }) => ours !== true)
    const title = `${TITLES[name]} ${peer.version}`
    columns.push(await column(title, peer.url, upstream, comparable, 800))
    await peer.stop()
    upstream.close()
  }
  const table = tableOf(columns)
  if (!options.write) {
    process.stdout.write(table)
    return
  }
  const text = readFileSync(readme, 'utf8')
  const [from, to] = [text.indexOf(BEGIN), text.indexOf(END)]
  if (from < 0 || to < from) throw new Error(`README.md has no ${BEGIN} and ${END}`)
  writeFileSync(readme, `${text.slice(0, from + BEGIN.length)}\n\n${table}\n${text.slice(to)}`)
  say('written')
}
