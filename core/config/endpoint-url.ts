import { resolve } from 'node:path'
import { z } from 'zod'
import { expected } from './quote.js'

const WHAT = 'http://host:port, https://host:port or unix:/path'

/** Where an endpoint is. It has neither path nor query: what a request asks for is the request's. */
export const endpointUrl = z
  .string({ error: ({ input }) => expected(WHAT, input) })
  .superRefine((text, context) => {
    const message = problemOf(text)
    if (message !== undefined) context.addIssue({ code: 'custom', message })
  })
  .meta({
    description: 'http://host:port, https://host:port or unix:/path.',
    pattern: '^(https?://[^/?#@\\s]+/?|unix:.+)$'
  })

function problemOf(text: string): string | undefined {
  if (/^unix:./.test(text)) return text.includes('?') || text.includes('#') ? expected(WHAT, text) : undefined
  let url: URL
  try {
    url = new URL(text)
  } catch {
    return expected(WHAT, text)
  }
  if (url.protocol !== 'http:' && url.protocol !== 'https:') return expected(WHAT, text)
  if (!/^https?:\/\//i.test(text)) return expected(WHAT, text)
  if (url.username !== '' || url.password !== '') {
    return "credentials in an endpoint's URL: every log line would show them; send them as a header"
  }
  if (url.search !== '' || url.hash !== '' || /[?#]/.test(text))
    return `an endpoint's URL has no query or fragment: ${expected(WHAT, text)}`
  if (url.pathname !== '/') {
    return `an endpoint's URL has no path: ${expected(`${url.origin}`, text)}`
  }
  return undefined
}

/** `unix` goes with either protocol. */
export function protocolOf(url: string): 'http' | 'https' | undefined {
  if (url.startsWith('unix:')) return undefined
  return url.toLowerCase().startsWith('https:') ? 'https' : 'http'
}

/** As it was written, less what says nothing: a closing slash. A Unix path is made absolute. */
export function normalUrl(url: string, directory: string): string {
  if (url.startsWith('unix:')) return `unix:${resolve(directory, url.slice('unix:'.length))}`
  return url.replace(/\/$/, '')
}
