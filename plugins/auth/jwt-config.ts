import { duration, isSettable, z } from '../../core/index.js'
import { headerName } from './header-name.js'

/** RFC 7518, 8037 and 9864: signatures that are verified with a public key. */
const ALGORITHMS = [
  'RS256',
  'RS384',
  'RS512',
  'PS256',
  'PS384',
  'PS512',
  'ES256',
  'ES384',
  'ES512',
  'EdDSA',
  'Ed25519'
] as const

const algorithm = z.enum(ALGORITHMS, {
  error: ({ input }) => {
    const wanted = `expected ${ALGORITHMS.slice(0, -1).join(', ')} or ${ALGORITHMS.at(-1)}`
    if (typeof input === 'string' && /^none$/i.test(input))
      return `${wanted}, not "none": anyone can make such a token`
    if (typeof input === 'string' && /^HS/i.test(input))
      return `${wanted}, not ${JSON.stringify(input)}: whoever can verify it can also sign`
    return `${wanted}, not ${JSON.stringify(input)}`
  }
})

const jwks = z.string().superRefine((value, context) => {
  const message = jwksProblem(value)
  if (message !== undefined) context.addIssue({ code: 'custom', message })
})

function jwksProblem(value: string): string | undefined {
  if (value === '') return 'expected a file or an http or https URL'
  if (!value.includes('://')) return undefined
  const url = URL.canParse(value) ? new URL(value) : undefined
  if (url === undefined || !/^https?:$/.test(url.protocol)) {
    // What stands before an @ may be a password.
    return `expected a file or an http or https URL${value.includes('@') ? '' : `, not ${JSON.stringify(value)}`}`
  }
  if (url.username !== '' || url.password !== '')
    return 'expected a URL without user and password: a key set is public'
  return undefined
}

const text = z.string().min(1)
const claimValue = z.union([text, z.number(), z.boolean()], {
  error: 'expected text, a number, true or false, or a list of these'
})

export const jwt = z
  .strictObject({
    issuer: text.describe('What `iss` has to be, letter for letter.'),
    audience: z
      .union([text, z.array(text).min(1)], { error: 'expected text or a list of texts' })
      .describe('What `aud` has to be or to hold; of a list, one of them.'),
    jwks: jwks.describe('The key set (RFC 7517): a file, or an http or https URL. Read again while it runs.'),
    algorithms: z
      .array(algorithm)
      .min(1)
      .describe('How tokens may be signed. Those with a shared secret (HS256) and none are refused.'),
    clockTolerance: duration({ max: 300_000 })
      .default('30s')
      .describe('How far the clocks may differ, for exp, nbf and iat. Default 30s, at most 5m.'),
    header: headerName
      .default('authorization')
      .describe('The request header with the token: Bearer and the token, elsewhere also the token alone.'),
    type: text
      .optional()
      .describe('What `typ` in the token has to be, such as at+jwt. Default: it is not looked at.'),
    claims: z
      .record(text, z.union([claimValue, z.array(claimValue).min(1)]))
      .default({})
      .describe('Claims that the token has to have, with their value; of a list, one of its values.'),
    claimHeaders: z
      .record(headerName, text)
      .default({})
      .superRefine((headers, context) => {
        const read = new Map<string, string>()
        for (const name of Object.keys(headers)) {
          // Many a framework reads x_user and x.user as x-user.
          const plain = name.replace(/[^a-z0-9]/g, '-')
          const first = read.get(plain)
          read.set(plain, name)
          // Where the message goes is the client's to say, not its token's.
          const message =
            name === 'host' || !isSettable(name)
              ? `${name} follows from the message`
              : first === undefined
                ? undefined
                : `an upstream may take it for ${first}`
          if (message !== undefined) context.addIssue({ code: 'custom', path: [name], message })
        }
      })
      .describe(
        'Header to claim, as the upstream gets them. What the client sent in these is always removed.'
      ),
    forward: z
      .boolean()
      .default(false)
      .describe('Whether the verified token is passed on to the upstream. Default false.'),
    refresh: duration({ min: 1_000 })
      .default('5m')
      .describe('How often the key set is fetched from its URL. A file is looked at every 2 s. Default 5m.'),
    cooldown: duration({ min: 1_000 })
      .default('30s')
      .describe('The least time between two fetches, also when a token names an unknown key. Default 30s.'),
    timeout: duration({ min: 1_000 })
      .default('5s')
      .describe('For one reading of the key set, to the second. Default 5s.'),
    maxStale: duration({ min: 1_000 })
      .default('1h')
      .describe('How long the last good key set serves when it can no longer be had. Default 1h.'),
    cache: z
      .number()
      .int()
      .min(0)
      .max(1_000_000)
      .default(2_000)
      .describe('Verified tokens that are remembered until they expire. 0: none. Default 2000.')
  })
  .superRefine(({ refresh, timeout, maxStale }, context) => {
    if (maxStale >= refresh + timeout) return
    context.addIssue({
      code: 'custom',
      path: ['maxStale'],
      message: `expected no less than refresh and timeout together, which are ${refresh + timeout} ms, not ${maxStale} ms`
    })
  })

export type JwtConfig = z.output<typeof jwt>
