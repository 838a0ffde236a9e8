/**
 * The dashboard's arithmetic, as browser script: what Prometheus text says, and what two readings of it say about the
 * time between them. It touches no page, so that a test can run it as it is.
 */
export const readings = String.raw`
/** Prometheus text to a Map of metric name to [{ labels, value }]; empty for one that is declared and has counted nothing. */
function parseMetrics(text) {
  const families = new Map()
  for (const line of text.split('\n')) {
    const declared = /^# TYPE (\S+)/.exec(line)
    if (declared !== null && !families.has(declared[1])) families.set(declared[1], [])
    if (line === '' || line[0] === '#') continue
    const found = /^([A-Za-z_:][\w:]*)(?:\{(.*)\})?\s+(\S+)/.exec(line)
    if (found === null) continue
    const labels = {}
    for (const [, name, value] of (found[2] || '').matchAll(/([A-Za-z_]\w*)="((?:[^"\\]|\\.)*)"/g)) {
      labels[name] = value.replace(/\\(.)/g, (_, c) => (c === 'n' ? '\n' : c))
    }
    const value = found[3] === '+Inf' ? Infinity : Number(found[3])
    if (!families.has(found[1])) families.set(found[1], [])
    families.get(found[1]).push({ labels, value })
  }
  return families
}

/** The sum of a family, of those whose labels pass; undefined when there is no such family. */
function total(families, name, passes) {
  const samples = families.get(name)
  if (samples === undefined) return undefined
  let sum = 0
  for (const { labels, value } of samples) if (passes === undefined || passes(labels)) sum += value
  return sum
}

/** Cumulative buckets, [upper bound, count], ascending. */
function buckets(families, name, passes) {
  const sums = new Map()
  for (const { labels, value } of families.get(name + '_bucket') || []) {
    if (passes !== undefined && !passes(labels)) continue
    const bound = labels.le === '+Inf' ? Infinity : Number(labels.le)
    sums.set(bound, (sums.get(bound) || 0) + value)
  }
  return [...sums].sort((a, b) => a[0] - b[0])
}

/**
 * The quantile of what was observed between two readings, in the histogram's unit, linear within its bucket; in the
 * last, open bucket its lower bound. Undefined when nothing was observed.
 */
function quantile(q, before, after) {
  const old = new Map(before)
  const grown = after.map(([bound, count]) => [bound, count - (old.get(bound) || 0)])
  const all = grown.length === 0 ? 0 : grown[grown.length - 1][1]
  if (!(all > 0)) return undefined
  const rank = q * all
  let floor = 0
  let below = 0
  for (const [bound, count] of grown) {
    if (count >= rank) {
      if (bound === Infinity) return floor
      return count === below ? bound : floor + ((bound - floor) * (rank - below)) / (count - below)
    }
    floor = bound
    below = count
  }
  return floor
}

/** Growth per second of a counter; undefined when either reading lacks it or it began anew in between. */
function perSecond(before, after, seconds) {
  if (before === undefined || after === undefined || !(seconds > 0) || after < before) return undefined
  return (after - before) / seconds
}

const REQUESTS = 'outrigger_requests_total'
const DURATION = 'outrigger_request_duration_seconds'

/** Rates, errors and latency of one route, or of all, between two readings { at (s), families }. */
function traffic(before, after, route) {
  const seconds = after.at - before.at
  const ofRoute = route === undefined ? undefined : (labels) => labels.route === route
  const failed = (labels) => Number(labels.code) >= 500 && (ofRoute === undefined || ofRoute(labels))
  const counted = after.families.has(REQUESTS)
  // A counter that appears between two readings grew from nothing.
  const count = (reading, passes) => (counted ? total(reading.families, REQUESTS, passes) || 0 : undefined)
  const rate = perSecond(count(before, ofRoute), count(after, ofRoute), seconds)
  const failures = perSecond(count(before, failed), count(after, failed), seconds)
  const old = buckets(before.families, DURATION, ofRoute)
  const now = buckets(after.families, DURATION, ofRoute)
  return {
    rate,
    errors: rate === undefined || failures === undefined ? undefined : rate === 0 ? 0 : failures / rate,
    p50: quantile(0.5, old, now),
    p99: quantile(0.99, old, now),
    retries: perSecond(
      total(before.families, 'outrigger_retries_total') || 0, total(after.families, 'outrigger_retries_total'), seconds)
  }
}

function showNumber(value) {
  if (value === undefined || Number.isNaN(value)) return '–'
  if (value === 0) return '0'
  if (value >= 99950) return Math.round(value / 1000) + 'k'
  if (value >= 9995) return (value / 1000).toFixed(1) + 'k'
  if (value >= 99.95 || Number.isInteger(value)) return String(Math.round(value))
  return value < 0.1 ? '<0.1' : value.toFixed(1)
}

function showPercent(ratio) {
  if (ratio === undefined || Number.isNaN(ratio)) return '–'
  if (ratio === 0) return '0%'
  if (ratio < 0.001) return '<0.1%'
  return (ratio * 100).toFixed(ratio < 0.0995 ? 1 : 0) + '%'
}

function showMs(ms) {
  if (ms === undefined || ms === null || Number.isNaN(ms)) return '–'
  if (ms >= 10000) return (ms / 1000).toFixed(0) + ' s'
  if (ms >= 1000) return (ms / 1000).toFixed(1) + ' s'
  return (ms >= 10 ? Math.round(ms) : ms.toFixed(1)) + ' ms'
}

function showSpan(seconds) {
  if (!(seconds >= 0)) return '–'
  const d = Math.floor(seconds / 86400)
  const h = Math.floor(seconds / 3600) % 24
  const m = Math.floor(seconds / 60) % 60
  if (d > 0) return d + ' d ' + h + ' h'
  if (h > 0) return h + ' h ' + m + ' min'
  return m > 0 ? m + ' min' : Math.floor(seconds) + ' s'
}
`
