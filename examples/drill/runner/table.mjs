// The table of what clients saw, in 100 columns.
import { bold, dim, red } from './colours.mjs'

const WIDTHS = { name: 31, good: 8, time: 9 }

export const heading = dim(line('', 'good', 'p50', 'p99', 'worst', ''))

/** The line above a row's two. */
export function title(number, what) {
  return bold(`${number} ${what}`)
}

/**
 * @param {string} name of what is in the way of the failure
 * @param {ReturnType<import('./figures.mjs').figures>} seen
 * @param {string} also what else is to be told
 */
export function row(name, seen, also) {
  const { good, p50, p99, worst } = seen
  return line(`  ${name}`, per(good), ms(p50), ms(p99), ms(worst), also)
}

/** @param {string[]} reasons */
export function verdict(reasons) {
  return reasons.map((reason) => red(`  it must be better: ${reason}`)).join('\n')
}

function line(name, good, p50, p99, worst, also) {
  const times = [p50, p99, worst].map((time) => time.padStart(WIDTHS.time)).join('')
  return `${name.padEnd(WIDTHS.name)}${good.padStart(WIDTHS.good)}${times}   ${also}`.trimEnd()
}

/** Rounded down, so that 100 % is all of them. */
export function per(percent) {
  return `${(Math.floor(percent * 10) / 10).toFixed(1)} %`
}

export function ms(time) {
  return `${time < 9.95 ? time.toFixed(1) : Math.round(time)} ms`
}
