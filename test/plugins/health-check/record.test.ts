import t from 'tap'
import type { Endpoint } from '../../../core/index.js'
import { HealthRecord } from '../../../plugins/health-check/record.js'

const thresholds = { unhealthyAfter: 3, healthyAfter: 2 }

/** What each of these checks changes: `.` passes, `x` fails. */
function changes(checks: string, record = new HealthRecord({} as Endpoint), ejected = false): string {
  return [...checks]
    .map((check) => {
      const { change, restores } = record.judge(check === '.', ejected, thresholds)
      const word = change === 'healthy' ? 'H' : change === 'unhealthy' ? 'U' : '-'
      return restores ? `${word}r` : word
    })
    .join('')
}

t.test('the first check decides, whichever way', async (t) => {
  t.equal(changes('x'), 'U')
  t.equal(changes('xxxx.'), 'U---H', 'and the first success brings it in')
  t.equal(changes('.xx'), '---')
})

t.test('three failures in a row take out, two successes bring back', async (t) => {
  t.equal(changes('.xxx'), '---U')
  t.equal(changes('.xx.xx.xxx'), '---------U')
  t.equal(changes('.xxxxx..'), '---U---H')
  t.equal(changes('.xxx.x.x..'), '---U-----H')
})

t.test('it is in doubt from a failure until two successes in a row', async (t) => {
  const record = new HealthRecord({} as Endpoint)
  const doubts = [...'.x.xxx..x..'].map((check) => {
    changes(check, record)
    return record.inDoubt
  })
  t.same(doubts, [false, true, true, true, true, true, true, false, true, true, false])
})

t.test('two successes in a row while it is ejected end that', async (t) => {
  t.equal(changes('..', new HealthRecord({} as Endpoint), true), '--r')
  t.equal(changes('.x.x..', new HealthRecord({} as Endpoint), true), '------r', 'in a row')
  const record = new HealthRecord({} as Endpoint)
  changes('....', record)
  t.equal(changes('..', record, true), '--r', 'those from before do not count')
  const out = new HealthRecord({} as Endpoint)
  changes('.xxx', out)
  t.equal(changes('..', out, true), '-Hr')
})

t.test(
  'a check that came early does not count towards an end of the ejection, unless it is in doubt',
  async (t) => {
    const record = new HealthRecord({} as Endpoint)
    changes('.', record)
    record.hinted = true
    t.equal(changes('...', record, true), '---')
    changes('x', record, true)
    t.equal(changes('..', record, true), '--r')
  }
)

t.test('forgotten, it begins anew', async (t) => {
  const record = new HealthRecord({} as Endpoint)
  changes('.xxx', record)
  record.dueAt = 5
  record.forget()
  t.same([record.out, record.inDoubt, record.dueAt], [false, false, undefined])
  t.equal(changes('x', record), 'U')
})
