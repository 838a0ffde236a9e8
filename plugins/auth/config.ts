import { z } from '../../core/index.js'
import { headerName } from './header-name.js'
import { jwt } from './jwt-config.js'
import { mtls } from './mtls-config.js'

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
    { error: 'expected a name and a digest for each key' }
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

export const config = z
  .strictObject({
    apiKeys: apiKeys
      .describe(`Who may call, by name: sha256:<hex of the key>, as \`${MAKE}\` prints it.`)
      .optional(),
    header: headerName
      .default('x-api-key')
      .describe('The request header that carries the API key. It is not passed on. Default x-api-key.'),
    jwt: jwt.describe('JSON Web Tokens of one issuer.').optional(),
    mtls: mtls
      .describe('Client certificates, which the listener has verified (`tls: { ca, clientAuth }`).')
      .optional(),
    require: z
      .enum(['any', 'all'])
      .default('any')
      .describe(
        'Of apiKeys, jwt and mtls where several are given. any: the first that the request has decides, in the order ' +
          'jwt, apiKeys, mtls. all: each of them has to be there and right. Default any.'
      )
  })
  .superRefine(({ apiKeys, jwt, mtls, header }, context) => {
    if (apiKeys === undefined && jwt === undefined && mtls === undefined) {
      context.addIssue({ code: 'custom', message: 'missing: expected apiKeys, jwt or mtls: who may call' })
    }
    const keyHeader = apiKeys === undefined ? undefined : header
    if (jwt === undefined) return
    if (jwt.header === keyHeader) {
      context.addIssue({
        code: 'custom',
        path: ['jwt', 'header'],
        message: `the API key is in ${header} already: a header holds one or the other`
      })
    }
    for (const name of Object.keys(jwt.claimHeaders)) {
      if (name !== keyHeader && name !== jwt.header) continue
      context.addIssue({
        code: 'custom',
        path: ['jwt', 'claimHeaders', name],
        message: `${name} is where the credential comes in`
      })
    }
  })
