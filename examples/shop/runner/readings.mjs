// What the sidecar's admin says of itself: GET /metrics and GET /services.

const bounded = () => ({ signal: AbortSignal.timeout(5000) })

/** One reading of all that the status line is made of. Counts are from the sidecar's start. */
export async function read(admin) {
  const [metrics, services] = await Promise.all([
    fetch(`${admin}/metrics`, bounded()).then((response) => response.text()),
    fetch(`${admin}/services`, bounded()).then((response) => response.json())
  ])
  const reading = {
    at: performance.now(),
    requests: 0,
    byRoute: new Map(),
    refused: 0,
    failed: 0,
    retries: 0,
    /** Upper bound in seconds to the requests that took no longer. */
    buckets: new Map(),
    /** Service to the attempts on each of its endpoints. */
    attempts: new Map(
      services.map(({ name, endpoints }) => [name, endpoints.map(({ attempts }) => attempts)])
    )
  }
  for (const { name, labels, value } of samples(metrics)) {
    if (name === 'outrigger_retries_total') reading.retries += value
    else if (name === 'outrigger_request_duration_seconds_bucket')
      add(reading.buckets, labels.le === '+Inf' ? Number.POSITIVE_INFINITY : Number(labels.le), value)
    else if (name === 'outrigger_requests_total') {
      reading.requests += value
      add(reading.byRoute, labels.route, value)
      if (labels.code >= '500') reading.failed += value
      else if (labels.code >= '400') reading.refused += value
    }
  }
  return reading
}

function* samples(text) {
  for (const [, name, inner, value] of text.matchAll(/^(\w+)\{(.*)\} (\S+)$/gm)) {
    const labels = Object.fromEntries(
      [...inner.matchAll(/(\w+)="([^"]*)"/g)].map(([, key, label]) => [key, label])
    )
    yield { name, labels, value: Number(value) }
  }
}

function add(map, key, value) {
  map.set(key, (map.get(key) ?? 0) + value)
}

/**
 * Milliseconds that a part of the requests between two readings took at most, as if spread evenly within a bucket.
 *
 * @param {number} part 0.5 for the median
 */
export function quantile(part, before, after) {
  const counts = [...after.buckets.keys()]
    .sort((a, b) => a - b)
    .map((bound) => ({ bound, count: after.buckets.get(bound) - (before.buckets.get(bound) ?? 0) }))
  const rank = part * (counts.at(-1)?.count ?? 0)
  if (rank === 0) return undefined
  let below = { bound: 0, count: 0 }
  for (const bucket of counts) {
    if (bucket.count >= rank) {
      if (bucket.bound === Number.POSITIVE_INFINITY) return below.bound * 1000
      const within = (rank - below.count) / (bucket.count - below.count)
      return (below.bound + within * (bucket.bound - below.bound)) * 1000
    }
    below = bucket
  }
}
