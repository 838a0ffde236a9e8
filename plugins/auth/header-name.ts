import { z } from '../../core/index.js'

/** RFC 9110 token. */
const HEADER = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/

/** A header's name; gives it in lower case. */
export const headerName = z
  .string()
  .regex(HEADER, { error: ({ input }) => `expected a header name, not ${JSON.stringify(input)}` })
  .transform((name) => name.toLowerCase())
