import { compileTemplate, z } from '../../core/index.js'

const MAX_TEXT = 1_024
/** RFC 3986: what a reference may hold, `%` being the beginning of an escape. */
const REFERENCE = /^(?:[A-Za-z0-9\-._~:/?#[\]@!$&'()*+,;=]|%[0-9A-Fa-f]{2})*$/
/** A name or an address, with its port. */
const HOST = /^(?:[A-Za-z0-9\-._~]+|\[[0-9A-Fa-f:.]+\])(?::\d{1,5})?$/
const VARIABLE = /\{[^{}]*\}/g
/** What names the host in `https://HOST/...`: up to the path, which `{path}` begins as well. */
const AUTHORITY = /^https?:\/\/((?:(?!\{path\})[^/?#])*)/

/** @returns what is wrong with a template, if anything */
function wrong(text: string): string | undefined {
  if (!REFERENCE.test(text.replaceAll(VARIABLE, 'x')))
    return `expected a reference without spaces or other characters that need an escape, not ${JSON.stringify(text)}`
  try {
    compileTemplate(text, 'uri')
  } catch (error) {
    return (error as Error).message
  }
  return undefined
}

/** Of the variables only {host} may name a host: another one's value would let whoever made a link choose it. */
function wrongHost(text: string): string | undefined {
  const others = text.match(VARIABLE)?.filter((variable) => variable !== '{host}') ?? []
  if (others.length > 0) return `expected no variable but {host} in a host, not ${others[0]}`
  if (!HOST.test(text.replaceAll('{host}', 'x')))
    return `expected a host such as shop.example.com or shop.example.com:8443, not ${JSON.stringify(text)}`
  return undefined
}

function wrongTarget(text: string): string | undefined {
  const authority = AUTHORITY.exec(text)?.[1]
  if (authority !== undefined) return wrongHost(authority) ?? wrong(text)
  return wrongPath(text)
}

function wrongPath(text: string): string | undefined {
  // `//host` names another host, and `/\host` to browsers too.
  if (/^\/(?!\/)/.test(text) || text.startsWith('{path}')) return wrong(text)
  return `expected a path, which begins with one / or with {path}, or http:// or https://, not ${JSON.stringify(text)}`
}

function wrongPathAlone(text: string): string | undefined {
  if (/[?#]/.test(text)) return `expected a path alone, without a query, not ${JSON.stringify(text)}`
  return wrongPath(text)
}

const checked = (wrong: (text: string) => string | undefined) =>
  z
    .string()
    .max(MAX_TEXT)
    .superRefine((text, context) => {
      const message = wrong(text)
      if (message !== undefined) context.addIssue({ code: 'custom', message })
    })

const STATUSES = [301, 302, 303, 307, 308] as const

export const config = z
  .strictObject({
    to: checked(wrongTarget)
      .optional()
      .describe('Where to, with variables: https://www.example.com{path} or /shop{path}.'),
    https: z.literal(true).optional().describe('In place of to: the same over https. No answer where it is.'),
    host: checked(wrongHost).optional().describe('In place of to: the same on this host, with its port.'),
    path: checked(wrongPathAlone).optional().describe('In place of to: this path, with variables.'),
    status: z
      .literal(STATUSES, {
        error: ({ input }) => `expected ${STATUSES.join(', ')}, not ${JSON.stringify(input)}`
      })
      .default(308)
      .describe('301, 302, 303, 307 or 308. Default 308: for good, with the same method and body.'),
    query: z
      .enum(['keep', 'drop'])
      .default('keep')
      .describe('Whether the query goes along. Default keep: behind one that to has itself.')
  })
  .superRefine(({ to, https, host, path }, context) => {
    const parts = https !== undefined || host !== undefined || path !== undefined
    if (parts === (to !== undefined)) {
      const message = `expected either to, or https, host and path, not ${parts ? 'both' : 'neither'}`
      context.addIssue({ code: 'custom', message })
    }
  })

export type RedirectConfig = z.output<typeof config>
