import type { HeaderList } from '../../core/index.js'

/** What a service says of when it wants to be asked again: ms from now, or `never`. */
export type Asked = number | 'never'

/**
 * What a response says of its next attempt: `grpc-retry-pushback-ms` of a gRPC call (gRFC A6: what is no number of ms from
 * 0 means never), else `retry-after`, in seconds or as a date (RFC 9110, 10.2.3).
 *
 * @param wallTime ms since 1970
 * @returns undefined where it says nothing, or nothing that can be read
 */
export function askedWait(headers: HeaderList, grpc: boolean, wallTime: number): Asked | undefined {
  if (grpc) {
    const pushback = headers.get('grpc-retry-pushback-ms')
    if (pushback !== undefined) return /^\d{1,10}$/.test(pushback) ? Number(pushback) : 'never'
  }
  const value = headers.get('retry-after')
  if (value === undefined) return undefined
  // More digits than any date needs are still a number: one past every bound.
  if (/^\d+$/.test(value)) return Number(value) * 1000
  // All three forms of HTTP's dates begin with the day's name and have a time; Date.parse would take much else for a date.
  if (!/^[A-Z][a-z]{2,8},? .*\d\d:\d\d:\d\d/.test(value)) return undefined
  const at = Date.parse(/\bGMT$/.test(value) ? value : `${value} GMT`)
  return Number.isNaN(at) ? undefined : Math.max(0, at - wallTime)
}
