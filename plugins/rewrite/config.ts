import { compileTemplate, z } from '../../core/index.js'
import { changes } from './fields.js'

const MAX_TEXT = 1_024
/** RFC 3986 section 3.3, without what is none of a path: no query, no fragment. */
const PATH = /^\/[A-Za-z0-9\-._~!$&'()*+,;=:@%/]*$/
const UNCLEAN = /\/\/|(?:^|\/)\.{1,2}(?:\/|$)|%(?![0-9A-F]{2})/

/** @returns whether it is written as paths are once they are normalised */
const isClean = (path: string) => PATH.test(path) && !UNCLEAN.test(path)

const told = (what: string) => ({
  error: ({ input }: { input?: unknown }) => `expected ${what}, not ${JSON.stringify(input)}`
})

const prefix = z.strictObject({
  prefix: z
    .string()
    .max(MAX_TEXT)
    .refine(isClean, told('a path such as /old, without a query, // or ..'))
    .describe('What paths begin with, in whole segments: /old is /old and /old/x, and not /older.'),
  with: z
    .string()
    .max(MAX_TEXT)
    .refine((path) => path === '' || isClean(path), told('a path such as /new, or nothing'))
    .describe('What stands there instead. Nothing, or /: the prefix is taken off.')
})

const regex = z.strictObject({
  regex: z
    .string()
    .min(1)
    .max(MAX_TEXT)
    .describe('An expression in RE2 syntax. What it matches first, anywhere in the path, is replaced.'),
  with: z
    .string()
    .max(MAX_TEXT)
    .describe('What stands there instead: $1 to $99 are its groups, $0 the whole match, $$ a dollar.')
})

const template = z
  .string()
  .superRefine((text, context) => {
    const message = wrongTemplate(text)
    if (message !== undefined) context.addIssue({ code: 'custom', message })
  })
  .describe('The whole path, with variables: /tenants/{header.x-tenant}{path}.')

function wrongTemplate(text: string): string | undefined {
  if (!text.startsWith('/') && !text.startsWith('{path}'))
    return `expected a path, which begins with / or {path}, not ${JSON.stringify(text)}`
  const literal = text.replaceAll(/\{[^{}]*\}/g, 'x')
  if (!isClean(`/${literal.replace(/^\//, '')}`))
    return `expected a path, without a query, // or .., not ${JSON.stringify(text)}`
  try {
    compileTemplate(text, 'path')
  } catch (error) {
    return (error as Error).message
  }
  return undefined
}

export const config = z
  .strictObject({
    path: z
      .union([template, prefix, regex])
      .optional()
      .describe('The path that the service is asked for. At the top and on routes. Default: as it came.'),
    host: z
      .string()
      .max(MAX_TEXT)
      .superRefine((text, context) => {
        const message = wrongHost(text)
        if (message !== undefined) context.addIssue({ code: 'custom', message })
      })
      .optional()
      .describe('The Host that the service sees, with variables. Default: the one the client asked for.'),
    request: changes(true).optional().describe("Changes to the request's headers."),
    response: changes(false)
      .optional()
      .describe("Changes to the response's headers; at the top and on routes to the proxy's own answers too.")
  })
  .superRefine((config, context) => {
    if (Object.keys(config).length === 0)
      context.addIssue({ code: 'custom', message: 'expected path, host, request or response' })
  })

/** A name or an address, with its port. */
export const HOST = /^[A-Za-z0-9\-._~!$&'()*+,;=]+(?::\d{1,5})?$|^\[[0-9A-Fa-f:.]+\](?::\d{1,5})?$/

function wrongHost(text: string): string | undefined {
  if (!HOST.test(text.replaceAll(/\{[^{}]*\}/g, 'x')))
    return `expected a host such as shop.example.com or shop.example.com:8443, not ${JSON.stringify(text)}`
  try {
    compileTemplate(text, 'header')
  } catch (error) {
    return (error as Error).message
  }
  return undefined
}

export type PathConfig = string | z.output<typeof prefix> | z.output<typeof regex>
