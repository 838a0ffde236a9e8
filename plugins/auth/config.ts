import { z } from '../../core/index.js'

/** RFC 9110 token. */
const HEADER = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/
/** It stands in log lines and is handed to other plugins. */
const NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/
const DIGEST = /^sha256:[0-9a-f]{64}$/i
const OF_NOTHING = 'sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855'

const MAKE = 'printf %s KEY | sha256sum'
/** Without what was found: it may be the key. */
const NO_DIGEST = `expected sha256: and the 64 hex digits that \`${MAKE}\` prints; the key itself does not belong here`

const digest = z
  .string({ error: NO_DIGEST })
  .regex(DIGEST, { error: NO_DIGEST })
  .refine((value) => value.toLowerCase() !== OF_NOTHING, {
    error: 'this is the digest of an empty key: was the variable set?'
  })

const apiKeys = z
  .record(
    z.string().regex(NAME, {
      error:
        'expected a name of 1 to 64 letters, digits, dots, dashes and underscores, the first a letter or digit'
    }),
    digest,
    {
      error: ({ input }) =>
        `${input === undefined ? 'missing: ' : ''}expected a name and a digest for each key`
    }
  )
  .superRefine((keys, context) => {
    const names = new Map<string, string>()
    for (const [name, value] of Object.entries(keys)) {
      const first = names.get(value.toLowerCase())
      if (first === undefined) names.set(value.toLowerCase(), name)
      else
        context.addIssue({
          code: 'custom',
          path: [name],
          message: `the same key as ${first}: it could have either name`
        })
    }
    if (Object.keys(keys).length === 0)
      context.addIssue({ code: 'custom', message: 'expected at least one key' })
  })
  .meta({ secret: true })

export const config = z.strictObject({
  apiKeys: apiKeys.describe(`Who may call, by name: sha256:<hex of the key>, as \`${MAKE}\` prints it.`),
  header: z
    .string()
    .regex(HEADER, { error: ({ input }) => `expected a header name, not ${JSON.stringify(input)}` })
    .transform((name) => name.toLowerCase())
    .default('x-api-key')
    .describe('The request header that carries the key. It is not passed on. Default x-api-key.')
})
