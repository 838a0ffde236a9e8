// A line a second of what is happening, in 80 columns.
import { dim, red, yellow } from './colours.mjs'
import { quantile } from './readings.mjs'

/** Seconds that times and shares are taken over. All else is of the last second. */
const WINDOW = 10

const plain = (text) => text
const flagged = (paint) => (text) => (text.trim() === '0' ? text : paint(text))

const requests = (route) => ({
  title: route,
  width: route.length,
  value: ({ now, last }) => perSecond(now, last, ({ byRoute }) => byRoute.get(route) ?? 0)
})
const time = (title, part) => ({ title, width: 4, value: ({ now, first }) => ms(quantile(part, first, now)) })
const share = (service, width) => ({
  title: service,
  width,
  value: ({ now, first }) => shares(now.attempts.get(service) ?? [], first.attempts.get(service) ?? [])
})

const GROUPS = [
  {
    title: '',
    columns: [{ title: 's', width: 4, value: ({ now, opened }) => Math.round((now.at - opened) / 1000) }]
  },
  {
    title: 'requests a second',
    columns: ['catalogue', 'stock', 'orders', 'payment'].map(requests)
  },
  {
    title: 'of these',
    columns: [
      { title: '4xx', width: 3, paint: flagged(yellow), value: rateOf('refused') },
      { title: '5xx', width: 3, paint: flagged(red), value: rateOf('failed') },
      { title: 'retry', width: 5, paint: flagged(yellow), value: rateOf('retries') }
    ]
  },
  { title: 'ms', columns: [time('p50', 0.5), time('p99', 0.99)] },
  { title: '% by endpoint', columns: [share('catalogue', 9), share('stock', 5)] }
]

/** Two lines. */
export const heading = [
  line(({ title, columns }) => title.padStart(widthOf(columns))),
  line(({ columns }) => columns.map(({ title, width }) => title.padStart(width)).join(' '))
]
  .map(dim)
  .join('\n')

/** Turns readings into lines. */
export class Status {
  #readings
  #opened

  /** @param first what the first line compares with */
  constructor(first) {
    this.#readings = [first]
    this.#opened = first.at
  }

  line(now) {
    const last = this.#readings.at(-1)
    this.#readings.push(now)
    if (this.#readings.length > WINDOW + 1) this.#readings.shift()
    const read = { now, last, first: this.#readings[0], opened: this.#opened }
    return line(({ columns }) =>
      columns.map(({ value, width, paint = plain }) => paint(String(value(read)).padStart(width))).join(' ')
    )
  }
}

function line(ofGroup) {
  return GROUPS.map(ofGroup).join('  ')
}

function widthOf(columns) {
  return columns.reduce((sum, { width }) => sum + width + 1, -1)
}

function rateOf(name) {
  return ({ now, last }) => perSecond(now, last, (reading) => reading[name])
}

function perSecond(now, last, count) {
  return Math.round((count(now) - count(last)) / ((now.at - last.at) / 1000))
}

function ms(value) {
  if (value === undefined) return '-'
  return value < 9.95 ? value.toFixed(1) : Math.round(value)
}

/** The part of the attempts that each endpoint got: `46/45/9`. */
function shares(now, before) {
  const counts = now.map((count, i) => count - (before[i] ?? 0))
  const total = counts.reduce((sum, count) => sum + count, 0)
  return total === 0 ? '-' : counts.map((count) => Math.round((100 * count) / total)).join('/')
}
