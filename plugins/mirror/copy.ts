import { type ExchangeRequest, isSettable } from '../../core/index.js'

/** Says that a request is a copy. One that has it is not copied again. */
export const MARK = 'x-outrigger-mirror'

/** Fields that were between the client and the proxy, and are over. */
const SPENT: ReadonlySet<string> = new Set(['expect'])

/** Without a body these say nothing of one; the others say that theirs is empty. */
const BODILESS: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS', 'DELETE', 'TRACE', 'CONNECT'])

/** The header fields of a copy, in their order, repeated ones too: those of the request as it went to its service. */
export function copyFields(request: ExchangeRequest, strip: ReadonlySet<string>): [string, string][] {
  const fields: [string, string][] = []
  for (const [name, value] of request.headers) {
    const lower = name.toLowerCase()
    if (isSettable(lower) && !SPENT.has(lower) && !strip.has(lower)) fields.push([name, value])
  }
  fields.push([MARK, '1'])
  return fields
}

/** What is sent as a copy's body; undefined for none. */
export function copyBody(method: string, body: Buffer): Buffer | undefined {
  return body.length === 0 && BODILESS.has(method) ? undefined : body
}
