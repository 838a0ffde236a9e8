import t from 'tap'
import { Line, Waiter } from '../../../plugins/concurrency/line.js'
import { priorityOf } from '../../../plugins/concurrency/priority.js'

class Named extends Waiter {
  readonly name: string
  constructor(name: string, priority: number) {
    super(priority)
    this.name = name
  }
}

function lineOf(...given: [name: string, priority: number][]) {
  const line = new Line<Named>()
  const waiters = given.map(([name, priority]) => new Named(name, priority))
  for (const waiter of waiters) line.push(waiter)
  return { line, waiters }
}

function order(line: Line<Named>): string {
  let names = ''
  for (let first = line.first(); first !== undefined; first = line.first()) {
    names += first.name
    line.remove(first)
  }
  return names
}

t.test('the most urgent first, and of those whoever came first', async (t) => {
  const { line } = lineOf(['a', 5], ['b', 9], ['c', 5], ['d', 0], ['e', 9])
  t.equal(line.size, 5)
  t.equal(line.last()?.name, 'd')
  t.equal(order(line), 'beacd')
  t.equal(line.size, 0)
  t.equal(line.last(), undefined)
})

t.test('whoever leaves, leaves the others as they were', async (t) => {
  for (const [gone, left] of [
    [0, 'bcd'],
    [1, 'acd'],
    [3, 'abc']
  ] as const) {
    const { line, waiters } = lineOf(['a', 5], ['b', 5], ['c', 5], ['d', 5])
    line.remove(waiters[gone] as Named)
    line.push(new Named('e', 5))
    t.equal(order(line), `${left}e`)
  }
})

t.test('what a header may say', async (t) => {
  const said = { 0: 0, 9: 9, low: 2, normal: 5, high: 8 }
  for (const [value, priority] of Object.entries(said)) t.equal(priorityOf(value), priority, value)
  for (const value of [undefined, '', '10', '-1', 'a', '/', ':', 'HIGHEST', '9'.repeat(1_000)])
    t.equal(priorityOf(value), 5, `${value}`)
})
