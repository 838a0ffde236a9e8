// A short run with a fixed seed. The long one is `npm run fuzz -- lanes`.
import t from 'tap'
import { fuzzLanes } from './lanes.js'
import { Random } from './random.js'

t.test('what the fast lane takes, Node reads in the same way', async (t) => {
  const report = fuzzLanes(new Random('lanes', 7), 60_000)
  t.same(report.findings, [])
  t.ok(report.taken > 5_000, `${report.taken} of ${report.cases} were taken`)
})
