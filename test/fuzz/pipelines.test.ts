// A short run with a fixed seed. The long one is `npm run fuzz -- pipelines`.
import t from 'tap'
import { fuzzPipelines } from './pipelines.js'

for (const fastLane of [true, false])
  t.test(`each of a pipeline has its own answer (${fastLane ? 'fast lane' : 'standard path'})`, async (t) => {
    const report = await fuzzPipelines({ seed: 3, connections: 25, fastLane })
    t.same(report.findings, [])
    t.ok(report.answered > 200, `${report.answered} requests on ${report.connections} connections`)
  })
