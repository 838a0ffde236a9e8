import type { z } from 'zod'
import { either, expected, quote } from './quote.js'
import { didYouMean } from './suggest.js'

/** Stands for the message of a union until its branches have been looked at: no author writes it. */
export const UNION = '\0union'

type RawIssue = z.core.$ZodRawIssue

const TYPES: Record<string, string> = {
  string: 'a string',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
  array: 'a list',
  tuple: 'a list',
  object: 'an object',
  record: 'an object',
  map: 'an object',
  null: 'null',
  never: 'nothing'
}

const FORMATS: Record<string, string> = {
  email: 'an e-mail address',
  url: 'a URL',
  uuid: 'a UUID',
  guid: 'a UUID',
  ipv4: 'an IPv4 address',
  ipv6: 'an IPv6 address',
  cidrv4: 'an IPv4 range',
  cidrv6: 'an IPv6 range',
  datetime: 'a date and time in ISO 8601',
  date: 'a date in ISO 8601',
  base64: 'base64',
  jwt: 'a JSON Web Token'
}

/**
 * The words for what a schema finds wrong, given to each parse. A message that a schema's author wrote stands before
 * them. Unknown keys and unions are told by whoever reads the issues: they become several problems or another one.
 */
export function describe(issue: RawIssue): string {
  const { input } = issue
  switch (issue.code) {
    case 'invalid_type':
      return typeMessage(isWhole(issue) ? 'int' : issue.expected, input)
    case 'invalid_value': {
      const values = issue.values.map((value) => (typeof value === 'string' ? value : String(value)))
      return expected(either(values), input) + (typeof input === 'string' ? didYouMean(input, values) : '')
    }
    case 'too_small':
    case 'too_big':
      return boundMessage(issue)
    case 'invalid_format':
      return expected(FORMATS[issue.format] ?? formatOf(issue), input)
    case 'not_multiple_of':
      return expected(`a multiple of ${issue.divisor}`, input)
    case 'invalid_union':
      return UNION
    default:
      return `not valid: ${quote(input)}`
  }
}

function typeMessage(type: string, input: unknown): string {
  const message = expected(TYPES[type] ?? type, input)
  if (type === 'string' && (typeof input === 'number' || typeof input === 'boolean'))
    return `${message}: put it in quotes`
  if (
    (type === 'number' || type === 'int' || type === 'boolean') &&
    typeof input === 'string' &&
    isScalar(input)
  ) {
    return `${message}: leave the quotes away`
  }
  return message
}

/** An integer's schema complains first of what is no number at all. */
function isWhole({ inst }: RawIssue): boolean {
  const format = (inst as { _zod?: { def?: { format?: unknown } } } | undefined)?._zod?.def?.format
  return format === 'safeint' || format === 'int32' || format === 'uint32'
}

function isScalar(text: string): boolean {
  return text === 'true' || text === 'false' || (text.trim() !== '' && Number.isFinite(Number(text)))
}

function boundMessage(issue: Extract<RawIssue, { code: 'too_small' | 'too_big' }>): string {
  const { input, origin, inclusive } = issue
  const small = issue.code === 'too_small'
  const bound = small ? issue.minimum : issue.maximum
  const limit = small
    ? inclusive === false
      ? 'more than'
      : 'at least'
    : inclusive === false
      ? 'less than'
      : 'at most'
  switch (origin) {
    case 'string':
      return expected(`${limit} ${count(bound, 'character')}`, input)
    case 'array':
    case 'set':
      return `expected ${limit} ${count(bound, 'item')}, not ${(input as { length?: number }).length ?? 'these'}`
    case 'object':
    case 'map':
      return `expected ${limit} ${count(bound, 'key')}`
    default:
      return expected(`${limit} ${bound}`, input)
  }
}

function count(bound: number | bigint, what: string): string {
  return `${bound} ${what}${Number(bound) === 1 ? '' : 's'}`
}

function formatOf(issue: Extract<RawIssue, { code: 'invalid_format' }>): string {
  if ('pattern' in issue && issue.pattern !== undefined) return `text that matches ${issue.pattern}`
  return `text in the form ${issue.format}`
}
