// `npm run fuzz -- lanes [--seed N] [--count N]`: the fast lane's readers against Node's own.
// `npm run fuzz -- pipelines [--seed N] [--count N] [--only CONNECTION]`: requests behind requests, through sockets, on the fast lane and without.
// `npm run fuzz -- [--seed N] [--count N] [--seconds N] [--http2 PERCENT] [--only CONNECTION]`: made-up clients and upstreams, and a proxy between them.
import { parseArgs } from 'node:util'
import { fuzz } from './fuzz.js'
import { fuzzLanes } from './lanes.js'
import { fuzzPipelines } from './pipelines.js'
import { Random } from './random.js'

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    seed: { type: 'string', default: '1' },
    count: { type: 'string' },
    seconds: { type: 'string', default: '300' },
    http2: { type: 'string', default: '20' },
    only: { type: 'string' }
  }
})

function whole(name: 'seed' | 'count' | 'seconds' | 'http2' | 'only', otherwise?: number): number {
  const value = Number(values[name] ?? otherwise)
  if (!Number.isInteger(value) || value < 0) {
    console.error(`fuzz: --${name} is a whole number, not ${values[name]}`)
    process.exit(1)
  }
  return value
}

const seed = whole('seed')
for (const event of ['uncaughtException', 'unhandledRejection']) {
  process.on(event, (error) => {
    console.error(`fuzz: seed ${seed}: ${event}:`, error instanceof Error ? error.stack : error)
    process.exit(1)
  })
}

/** Long runs of the same bytes say nothing. */
function brief(text: string): string {
  return text.replace(/(.{1,12}?)\1{6,}/g, (all, piece) => `${piece}…(${all.length})`).slice(0, 1_500)
}

function lanes(): void {
  const { cases, taken, findings } = fuzzLanes(new Random('lanes', seed), whole('count', 1_000_000))
  for (const { what, text } of findings) console.log(`${what}\n    ${brief(JSON.stringify(text))}`)
  console.log(
    `seed ${seed}: ${cases} messages, of which the fast lane took ${taken}, ${findings.length} findings`
  )
  process.exit(findings.length === 0 ? 0 : 1)
}

async function pipelines(): Promise<void> {
  let found = 0
  for (const fastLane of [true, false]) {
    const only = values.only === undefined ? undefined : whole('only')
    const report = await fuzzPipelines({ seed, only, connections: whole('count', 1_000), fastLane })
    for (const { connection, what } of report.findings)
      console.log(`--seed ${seed} --only ${connection}: ${brief(what)}`)
    console.log(
      `seed ${seed}, ${fastLane ? 'fast lane' : 'standard path'}: ${report.answered} requests on ${report.connections} connections, ${report.findings.length} findings`
    )
    found += report.findings.length
  }
  process.exit(found === 0 ? 0 : 1)
}

export async function main(): Promise<void> {
  if (positionals[0] === 'lanes') lanes()
  if (positionals[0] === 'pipelines') await pipelines()
  const only = values.only === undefined ? undefined : whole('only')
  const report = await fuzz({
    seed,
    count: whole('count', 20_000),
    seconds: whole('seconds'),
    http2: whole('http2') / 100,
    only,
    progress: (exchanges, findings) => console.error(`${exchanges} exchanges, ${findings} findings`)
  })
  const rate = Math.round((report.exchanges * 1_000) / report.took)
  for (const { connection, what, bytes } of report.findings)
    console.log(`--seed ${seed} --only ${connection}: ${what}\n    ${brief(JSON.stringify(bytes))}`)
  console.log(
    `seed ${seed}: ${report.exchanges} exchanges on ${report.connections} connections, ${rate} a second, ${report.findings.length} findings`
  )
  process.exit(report.findings.length === 0 ? 0 : 1)
}
