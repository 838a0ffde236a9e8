import t from 'tap'
import { z } from 'zod'
import { duration, size } from '../../../core/config/units.js'

function reading(schema: z.ZodType) {
  return (value: unknown) => {
    const result = schema.safeParse(value)
    return result.success ? result.data : result.error.issues.map(({ message }) => message).join('\n')
  }
}

t.test('durations are milliseconds', async (t) => {
  const read = reading(duration())
  for (const [text, ms] of [
    ['250ms', 250],
    ['5s', 5000],
    ['1.5s', 1500],
    ['1.1s', 1100],
    ['1m', 60_000],
    ['1h', 3_600_000],
    ['2 s', 2000],
    ['0', 0],
    ['0s', 0],
    ['750', 750],
    [750, 750],
    [0, 0]
  ] as const) {
    t.equal(read(text), ms, String(text))
  }
  t.equal(read('5 seconds'), 'expected a duration such as 250ms, 5s or 1m, not "5 seconds"')
  for (const bad of ['-1s', '', 's', '5S', '1e3', '1d', '5s ', ' 5s', '٥s']) {
    t.equal(read(bad), `expected a duration such as 250ms, 5s or 1m, not ${JSON.stringify(bad)}`)
  }
  t.equal(read(-1), 'expected a duration such as 250ms, 5s or 1m, not -1')
  t.equal(read(Number.NaN), 'expected a duration such as 250ms, 5s or 1m, not NaN')
  t.equal(read(Number.POSITIVE_INFINITY), 'expected a duration such as 250ms, 5s or 1m, not Infinity')
  t.equal(read(true), 'expected a duration such as 250ms, 5s or 1m, not true')
  t.equal(read(undefined), 'missing: expected a duration such as 250ms, 5s or 1m')
  t.match(
    read('1000h'),
    /^expected a duration such as 250ms, 5s or 1m of at most \d+ms, not "1000h"$/,
    'past what timers hold'
  )
})

t.test('sizes are bytes', async (t) => {
  const read = reading(size())
  for (const [text, bytes] of [
    ['64KiB', 65_536],
    ['1MiB', 1_048_576],
    ['1.5MiB', 1_572_864],
    ['1GiB', 2 ** 30],
    ['10MB', 10_000_000],
    ['10kB', 10_000],
    ['12B', 12],
    ['12', 12],
    [12, 12]
  ] as const) {
    t.equal(read(text), bytes, String(text))
  }
  t.equal(read('64kib'), 'expected a size such as 64KiB or 1MiB, not "64kib"')
  t.equal(read('0.3B'), 'expected a whole number of bytes, not "0.3B"')
})

t.test('bounds are told in units', async (t) => {
  t.equal(
    reading(duration({ min: 1000, max: 60_000 }))('2m'),
    'expected a duration such as 250ms, 5s or 1m of at most 1m, not "2m"'
  )
  t.equal(
    reading(duration({ min: 1000 }))('10ms'),
    'expected a duration such as 250ms, 5s or 1m of at least 1s, not "10ms"'
  )
  t.equal(
    reading(size({ max: 1024 ** 2 }))('2MiB'),
    'expected a size such as 64KiB or 1MiB of at most 1MiB, not "2MiB"'
  )
})

t.test('a default is what a user would write, wherever it stands in the chain', async (t) => {
  const schema = z.strictObject({
    a: duration().default('5s'),
    b: duration().describe('how long').default('1m').describe('longer'),
    c: size().meta({ title: 'c' }).default(12),
    d: duration().optional()
  })
  const parsed: { a: number; b: number; c: number; d?: number | undefined } = schema.parse({})
  t.same(parsed, { a: 5000, b: 60_000, c: 12 })
})

t.test('the JSON Schema has a pattern, the default and the description', async (t) => {
  const schema = z.strictObject({ a: duration().describe('how long').default('5s') })
  const { properties } = z.toJSONSchema(schema, { io: 'input' }) as unknown as {
    properties: { a: Record<string, unknown> }
  }
  t.match(properties.a, { default: '5s', description: 'how long' })
  const [text, number] = properties.a.anyOf as [{ pattern: string }, object]
  t.match('250ms', new RegExp(text.pattern))
  t.notMatch('5 seconds', new RegExp(text.pattern))
  t.same(number, { type: 'number', minimum: 0 })
})
