import { createHash } from 'node:crypto'

/**
 * `Rate` in Redis, in one call and by Redis' own clock, so that those of the proxies need not agree. A key holds when its
 * bucket will be full, in microseconds since 2025 (since 1970 it would leave a double no room for parts of one), and
 * expires when it is.
 *
 * KEYS[1] the bucket; ARGV[1] what a request costs, ARGV[2] the debt with which one still passes, both in microseconds.
 * Answers whether it passes, and the debt that the key then has.
 */
export const SCRIPT = `
local time = redis.call('TIME')
local now = (tonumber(time[1]) - 1735689600) * 1000000 + tonumber(time[2])
local cost = tonumber(ARGV[1])
local tolerance = tonumber(ARGV[2])
local debt = (tonumber(redis.call('GET', KEYS[1]) or '') or now) - now
if debt < 0 then debt = 0 end
-- More than a full bucket's worth is a clock that was set back.
if debt > tolerance + cost then debt = tolerance + cost end
if debt > tolerance + cost / 1024 then return { 0, math.ceil(debt) } end
debt = debt + cost
redis.call('SET', KEYS[1], string.format('%.3f', now + debt), 'PX', math.ceil(debt / 1000))
return { 1, math.ceil(debt) }
`

/** What EVALSHA calls it by. */
export const SCRIPT_SHA = createHash('sha1').update(SCRIPT).digest('hex')
