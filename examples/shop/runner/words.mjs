// What the runner says before and after its status lines.
import { relative } from 'node:path'
import { bold, dim } from './colours.mjs'

export function welcome({ addresses, log }) {
  const shop = addresses.get('shop')
  const admin = addresses.get('admin')
  const about = {
    shop: 'catalogue, stock, orders and payments',
    admin: 'a dashboard, /metrics, /services, /routes'
  }
  const tries = [
    [
      `curl -s '${shop}/catalogue/items/[1-6]'`,
      'Six requests, three instances; catalogue-c, which is slow, is asked less.'
    ],
    [
      `curl -s '${shop}/stock/[1-6]'`,
      'stock-b fails every third time; each of these is 200: stock-a is tried next.'
    ],
    [
      `curl -si -X PUT ${shop}/orders/1 -d '{"item":2,"quantity":1}'`,
      '401: without a key, nothing reaches the orders.'
    ],
    [
      `curl -s -X PUT ${shop}/orders/1 -d '{"item":2,"quantity":1}' -H 'x-api-key: demo-key'`,
      '201: by way of catalogue, stock and a payment that a worker thread signed.'
    ],
    [`curl -s ${admin}/metrics | grep outrigger_retries_total`, 'What was tried again, by route and reason.']
  ]
  return [
    bold('The shop is open. Ctrl-C closes it.'),
    '',
    ...[...addresses].map(([name, address]) => `  ${name.padEnd(6)} ${address}  ${dim(about[name] ?? '')}`),
    `  ${'log'.padEnd(6)} ${log.startsWith(process.cwd()) ? relative('.', log) : log}`,
    '',
    'Worth trying, in another terminal:',
    '',
    ...tries.flatMap(([line, shows]) => [`  ${line}`, `    ${dim(shows)}`]),
    ''
  ].join('\n')
}

/** @param first and last readings */
export function farewell(first, last) {
  const count = (name) => (last[name] - first[name]).toLocaleString('en')
  const seconds = Math.round((last.at - first.at) / 1000)
  return (
    `\nClosed after ${seconds} s: ${count('requests')} requests, ${count('failed')} failed, ` +
    `${count('retries')} attempts repeated.`
  )
}
