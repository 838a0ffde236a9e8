import t from 'tap'
import { rules } from './rules.js'
import { keepAccessLog } from './stage.js'

/** A part of a rule's name or number: to run that alone. */
const { RULE = '' } = process.env

t.before(() => keepAccessLog(t, t.testdir({})))

for (const [i, { about, test }] of rules.entries()) {
  const name = `${i + 1}. ${about}`
  if (name.includes(RULE)) t.test(name, test)
}
