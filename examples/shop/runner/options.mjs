import { parseArgs } from 'node:util'

const HELP = `usage: npm start -- [--quiet-traffic]

  --quiet-traffic  no customers but you

Environment:
  SHOP_PORTS  what every port begins with; by default 231, for 23100, 23101, 23111 and so on
  SHOP_LOG    the file of the access log; by default examples/shop/access.log`

/** What the shop was asked for. Ends the process where there is nothing to run. */
export function options() {
  const ports = process.env.SHOP_PORTS || '231'
  if (!/^\d+$/.test(ports) || Number(`${ports}00`) < 1024 || Number(`${ports}99`) > 65_535) {
    refuse(`SHOP_PORTS is what every port begins with, from 11 to 654, not ${JSON.stringify(ports)}`)
  }
  try {
    const { values } = parseArgs({
      options: { 'quiet-traffic': { type: 'boolean', default: false }, help: { type: 'boolean', short: 'h' } }
    })
    if (values.help === true) {
      console.log(HELP)
      process.exit(0)
    }
    return { ports, quietTraffic: values['quiet-traffic'] }
  } catch (error) {
    return refuse(error.message)
  }
}

function refuse(message) {
  console.error(`${message}\n\n${HELP}`)
  process.exit(1)
}
