import { parseArgs } from 'node:util'

const LEAST = 2
const MOST = 60

/** @param {import('../breaks.mjs').Break[]} breaks */
const help = (breaks) => `usage: node examples/drill/run.mjs [--only N[,N]] [--seconds S]

  --only N[,N]  these rows alone
  --seconds S   how long each row's load runs once it is broken, ${LEAST} to ${MOST}; by default 3. It runs twice

${breaks.map(({ what }, i) => `  ${i + 1}  ${what}`).join('\n')}

Environment:
  DRILL_PORTS   what every port begins with; by default 236, for 23600, 23611 and so on`

/**
 * What the drill was asked for. Ends the process where there is nothing to run.
 *
 * @param {import('../breaks.mjs').Break[]} breaks
 */
export function options(breaks) {
  const refuse = (message) => {
    console.error(`${message}\n\n${help(breaks)}`)
    process.exit(1)
  }
  const ports = process.env.DRILL_PORTS || '236'
  if (!/^\d+$/.test(ports) || Number(`${ports}00`) < 1024 || Number(`${ports}99`) > 65_535) {
    refuse(`DRILL_PORTS is what every port begins with, from 11 to 654, not ${JSON.stringify(ports)}`)
  }
  let values
  try {
    values = parseArgs({
      options: {
        only: { type: 'string' },
        seconds: { type: 'string', default: '3' },
        help: { type: 'boolean', short: 'h' }
      }
    }).values
  } catch (error) {
    refuse(error.message)
  }
  if (values.help === true) {
    console.log(help(breaks))
    process.exit(0)
  }
  const seconds = Number(values.seconds)
  if (!(seconds >= LEAST && seconds <= MOST)) {
    refuse(`--seconds is a number from ${LEAST} to ${MOST}, not ${JSON.stringify(values.seconds)}`)
  }
  const only = values.only?.split(',').map(Number) ?? breaks.map((_, i) => i + 1)
  if (!only.every((number) => breaks[number - 1] !== undefined)) {
    refuse(`--only is a row's number, or several of them, not ${JSON.stringify(values.only)}`)
  }
  return { ports, seconds, only }
}
