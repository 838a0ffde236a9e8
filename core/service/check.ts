import type { EndpointSpec } from '../hooks/plugin.js'

/** @throws RangeError */
export function checkWeight(weight: number): void {
  if (!(weight >= 0 && weight < Number.POSITIVE_INFINITY)) {
    throw new RangeError(`a weight is 0 or more, not ${weight}`)
  }
}

/** @throws RangeError on its weight or its priority, TypeError on its URL */
export function checkEndpoint({ url, weight = 1, priority = 0 }: EndpointSpec): void {
  checkWeight(weight)
  if (!(Number.isInteger(priority) && priority >= 0 && priority <= 1_000)) {
    throw new RangeError(`a priority is a whole number from 0 to 1000, not ${priority}`)
  }
  if (url.startsWith('unix:/')) return
  const { protocol } = new URL(url)
  if (protocol !== 'http:' && protocol !== 'https:')
    throw new TypeError(`not an endpoint: ${JSON.stringify(url)}`)
}
