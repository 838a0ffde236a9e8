import { z } from 'zod'
import { expected, quote } from './quote.js'

/**
 * A quantity with a unit: text or a plain number in, a number out. `default` takes what a user would write, such as
 * `'5s'`, where zod's own takes the outcome.
 */
export type Quantity = {
  default(value: string | number): z.ZodPrefault<z.ZodType<number, string | number>>
} & z.ZodType<number, string | number>

const MILLISECONDS = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 } as const

/** Those with an `i` count by 1,024, the others by 1,000. */
const BYTES = {
  B: 1,
  kB: 1e3,
  KB: 1e3,
  MB: 1e6,
  GB: 1e9,
  KiB: 1024,
  MiB: 1024 ** 2,
  GiB: 1024 ** 3
} as const

/** What a timer of Node's can hold: 2^31 - 1 ms, a little under 25 days. */
const LONGEST = 2 ** 31 - 1

/**
 * A duration in a configuration: `250ms`, `5s`, `1.5s`, `1m`, `1h`, or a plain number of milliseconds. Gives milliseconds.
 *
 * @param range `min` by default 0, `max` by default what a timer can hold, both in milliseconds
 * @example
 * z.strictObject({ attemptTimeout: duration().default('2s') })
 */
export function duration(range: { min?: number; max?: number } = {}): Quantity {
  return quantity({
    what: 'a duration such as 250ms, 5s or 1m',
    units: MILLISECONDS,
    min: range.min ?? 0,
    max: range.max ?? LONGEST,
    whole: false
  })
}

/**
 * A size in a configuration: `64KiB`, `1MiB`, `10MB`, or a plain number of bytes. Gives whole bytes.
 *
 * @param range in bytes; `min` by default 0
 */
export function size(range: { min?: number; max?: number } = {}): Quantity {
  return quantity({
    what: 'a size such as 64KiB or 1MiB',
    units: BYTES,
    min: range.min ?? 0,
    max: range.max ?? Number.MAX_SAFE_INTEGER,
    whole: true
  })
}

interface Kind {
  readonly what: string
  readonly units: Readonly<Record<string, number>>
  readonly min: number
  readonly max: number
  readonly whole: boolean
}

/** zod's methods make a new schema by its constructor, so `default` has to belong to that and not to one object. */
const QuantitySchema: z.core.$constructor<z.ZodPipe> = z.core.$constructor(
  'OutriggerQuantity',
  (schema, def) => {
    z.ZodPipe.init(schema, def)
    const own = schema as unknown as Quantity
    own.default = ((value: string | number) => z.prefault(own, value)) as unknown as Quantity['default']
  }
)

function quantity(kind: Kind): Quantity {
  const pattern = new RegExp(`^(\\d+(?:\\.\\d+)?) ?(${Object.keys(kind.units).join('|')})?$`)
  const error = ({ input }: { input?: unknown }) => expected(kind.what, input)
  const written = z.union(
    [z.string({ error }).regex(pattern, { error }), z.number({ error }).min(0, { error })],
    {
      error
    }
  )
  const read = z.transform<string | number, number>((value, context) => {
    const amount = typeof value === 'number' ? value : parse(value, pattern, kind.units)
    const problem = outside(amount, kind)
    if (problem !== undefined) {
      context.issues.push({ code: 'custom', input: value, message: `${problem}, not ${quote(value)}` })
    }
    return amount
  })
  return new QuantitySchema({ type: 'pipe', in: written, out: read }) as unknown as Quantity
}

function parse(text: string, pattern: RegExp, units: Kind['units']): number {
  const [, amount, unit] = pattern.exec(text) ?? []
  // Rounded, since 1.1 x 1000 is not quite 1100.
  return Math.round(Number(amount) * (unit === undefined ? 1 : (units[unit] ?? Number.NaN)) * 1e6) / 1e6
}

function outside(amount: number, { what, units, min, max, whole }: Kind): string | undefined {
  if (amount < min) return `expected ${what} of at least ${inUnits(min, units)}`
  if (amount > max) return `expected ${what} of at most ${inUnits(max, units)}`
  if (whole && !Number.isInteger(amount)) return 'expected a whole number of bytes'
  return undefined
}

/** In the largest unit that leaves a whole number. */
function inUnits(amount: number, units: Kind['units']): string {
  let shown = `${amount}`
  let largest = 0
  for (const [unit, worth] of Object.entries(units)) {
    if (worth >= largest && amount % worth === 0 && amount >= worth) {
      shown = `${amount / worth}${unit}`
      largest = worth
    }
  }
  return shown
}
