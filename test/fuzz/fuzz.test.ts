// A short run with a fixed seed. The long one is `npm run fuzz`.
import t from 'tap'
import { fuzz } from './fuzz.js'

t.test('some hundred made-up exchanges: nothing found', async (t) => {
  const report = await fuzz({ seed: 20, count: 600, seconds: 40, http2: 0.25 })
  t.same(
    report.findings.map(
      ({ connection, what }) => `npm run fuzz -- --seed 20 --http2 25 --only ${connection}: ${what}`
    ),
    []
  )
  t.ok(report.exchanges >= 400, `${report.exchanges} exchanges in ${report.took} ms`)
})
