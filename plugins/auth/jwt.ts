import { resolve } from 'node:path'
import type { JWTHeaderParameters, JWTPayload } from 'jose'
import {
  JOSEAlgNotAllowed,
  JOSEError,
  JWKSNoMatchingKey,
  JWSInvalid,
  JWSSignatureVerificationFailed,
  JWTClaimValidationFailed,
  JWTExpired
} from 'jose/errors'
import { jwtVerify } from 'jose/jwt/verify'
import { type Clock, type Exchange, type Logger, ProxyError } from '../../core/index.js'
import { frozen, headersOf, wrongClaim } from './claims.js'
import type { JwtConfig } from './jwt-config.js'
import { fileReader, isOpenToOthers, isUrl, urlReader } from './key-reader.js'
import type { KeySet } from './key-set.js'
import { KeySource } from './key-source.js'
import { TokenCache } from './token-cache.js'
import type { Claims, Verdict, Way } from './way.js'

/** Of a token, in bytes. */
const LONGEST = 8 * 1024
/** RFC 7515 section 7.1, with a signature: what `alg` none has not. */
const COMPACT = /^[\w-]+\.[\w-]+\.[\w-]+$/
/** How often a file is looked at, in ms. */
const FILE_EVERY = 2_000
/** The least ms between two looks at a file, when tokens name an unknown key. */
const FILE_COOLDOWN = 1_000
/** Stands for more than one field, in place of the one. */
const SEVERAL = Symbol('several')

export interface JwtContext {
  readonly clock: Clock
  readonly log: Logger
  readonly directory: string
  onClose(close: () => void): void
}

/**
 * Tokens of one issuer. Waits a little for the key set.
 *
 * @throws Error when its file cannot be read or holds none; a URL may come to answer later
 */
export async function jwtWay(config: JwtConfig, context: JwtContext): Promise<Way<string | typeof SEVERAL>> {
  const { clock, log, directory } = context
  const url = isUrl(config.jwks) ? new URL(config.jwks) : undefined
  if (url !== undefined && isOpenToOthers(url))
    log.warn({ jwks: config.jwks }, 'the key set comes over plain http: whoever is on the way can change it')
  const source = new KeySource({
    reader: url === undefined ? fileReader(resolve(directory, config.jwks)) : urlReader(url),
    algorithms: config.algorithms,
    every: url === undefined ? FILE_EVERY : config.refresh,
    cooldown: url === undefined ? FILE_COOLDOWN : config.cooldown,
    timeout: config.timeout,
    maxStale: config.maxStale,
    clock,
    log
  })
  context.onClose(() => source.close())
  await source.open()
  if (url === undefined && source.problem !== undefined)
    throw new Error(`jwks ${JSON.stringify(config.jwks)}: ${source.problem}`)
  return new JwtWay(config, source, clock)
}

class JwtWay implements Way<string | typeof SEVERAL> {
  readonly challenge: string
  readonly needed: string
  readonly #config: JwtConfig
  readonly #source: KeySource
  readonly #clock: Clock
  readonly #cache: TokenCache<Verdict, KeySet>
  readonly #tolerance: number

  constructor(config: JwtConfig, source: KeySource, clock: Clock) {
    const { header } = config
    // RFC 6750 section 3: at least one parameter, and no error where there was no token.
    this.challenge = `Bearer realm="api"${header === 'authorization' ? '' : `, header="${header}"`}`
    this.needed = `a bearer token is needed in the header ${header}`
    this.#config = config
    this.#source = source
    this.#clock = clock
    this.#cache = new TokenCache(config.cache)
    this.#tolerance = config.clockTolerance / 1000
  }

  /** The field's value. Another scheme's in `authorization` is not ours, and stays. */
  take({ request: { headers } }: Exchange): string | typeof SEVERAL | undefined {
    const { header } = this.#config
    const fields = headers.getAll(header)
    const [field] = fields
    if (field === undefined) return undefined
    if (fields.length === 1 && header === 'authorization' && !/^bearer(?![\w-])/i.test(field))
      return undefined
    headers.delete(header)
    if (fields.length > 1) return SEVERAL
    return tokenOf(field) === '' ? undefined : field
  }

  verify(field: string | typeof SEVERAL, exchange: Exchange): Verdict | Promise<Verdict> {
    if (field === SEVERAL) {
      const message = `more than one field ${this.#config.header}`
      throw this.#refusal('BAD_REQUEST', message, 'invalid_request')
    }
    const token = tokenOf(field)
    if (token.length > LONGEST) throw this.#invalid(`the token is longer than ${LONGEST} bytes`)
    const digest = this.#cache.digest(token)
    const keys = this.#source.keys
    const known = keys === undefined ? undefined : this.#cache.get(digest, keys, this.#clock.wallTime())
    if (known === undefined) return this.#verifyAnew(token, digest, field, exchange)
    if (this.#config.forward) exchange.request.headers.set(this.#config.header, field)
    return known
  }

  async #verifyAnew(token: string, digest: string, field: string, exchange: Exchange): Promise<Verdict> {
    if (!COMPACT.test(token)) throw this.#invalid('the token is malformed')
    if (this.#source.keys === undefined) await this.#source.underWay()
    const keys = this.#source.keys
    if (keys === undefined) throw this.#unavailable()
    try {
      return this.#admit(await this.#payload(token, keys), keys, digest, field, exchange)
    } catch (error) {
      if (!(error instanceof JWKSNoMatchingKey)) throw this.#asRefusal(error)
    }
    await this.#source.newer()
    const newer = this.#source.keys
    if (newer === undefined) throw this.#unavailable()
    if (newer === keys) throw this.#asRefusal(new JWKSNoMatchingKey())
    try {
      return this.#admit(await this.#payload(token, newer), newer, digest, field, exchange)
    } catch (error) {
      throw this.#asRefusal(error)
    }
  }

  async #payload(token: string, keys: KeySet): Promise<JWTPayload> {
    const { issuer, audience, algorithms, type } = this.#config
    const find = (header: JWTHeaderParameters) => {
      // No extension is understood here, `b64` neither.
      if (header.crit !== undefined) throw new JWSInvalid('crit')
      return keys.find(header)
    }
    const { payload } = await jwtVerify(token, find, {
      algorithms,
      issuer,
      audience,
      requiredClaims: ['exp', 'sub'],
      clockTolerance: this.#tolerance,
      currentDate: new Date(this.#clock.wallTime()),
      ...(type === undefined ? {} : { typ: type })
    })
    return payload
  }

  #admit(payload: JWTPayload, keys: KeySet, digest: string, field: string, exchange: Exchange): Verdict {
    const { claims: wanted, claimHeaders, forward, header } = this.#config
    const { sub, exp, iat } = payload
    if (typeof sub !== 'string' || sub === '' || !Number.isFinite(exp))
      throw this.#invalid('the token is malformed')
    if (iat !== undefined && iat > this.#clock.wallTime() / 1000 + this.#tolerance)
      throw this.#invalid('the token was issued in the future')
    const claims = frozen(payload) as Claims
    const wrong = wrongClaim(claims, wanted)
    if (wrong === 'scope')
      throw this.#refusal('FORBIDDEN', 'the token has not the scope for this', 'insufficient_scope')
    if (wrong !== undefined)
      throw new ProxyError('FORBIDDEN', `the token's claim ${wrong} is not one that is allowed`)
    const verdict = { identity: sub, claims, headers: this.#headers(claims, claimHeaders) }
    this.#cache.set(digest, verdict, keys, ((exp as number) + this.#tolerance) * 1000)
    if (forward) exchange.request.headers.set(header, field)
    return verdict
  }

  #headers(claims: Claims, names: Readonly<Record<string, string>>): Verdict['headers'] & object {
    try {
      return headersOf(claims, names)
    } catch (cause) {
      if (!(cause instanceof RangeError)) throw cause
      throw new ProxyError('FORBIDDEN', `the token's claim ${cause.message} cannot be passed on in a header`)
    }
  }

  #asRefusal(error: unknown): unknown {
    // What is no error of the library's about this token is the plugin's own, and ends as one.
    return error instanceof JOSEError ? this.#invalid(reasonOf(error)) : error
  }

  #invalid(message: string): ProxyError {
    return this.#refusal('UNAUTHENTICATED', message, 'invalid_token')
  }

  /** RFC 6750 section 3.1. */
  #refusal(
    code: 'UNAUTHENTICATED' | 'FORBIDDEN' | 'BAD_REQUEST',
    message: string,
    error: string
  ): ProxyError {
    const challenge = `${this.challenge}, error="${error}", error_description="${message}"`
    return new ProxyError(code, message, { headers: { 'www-authenticate': challenge } })
  }

  /** Nothing is known of the token: the client may come again with the same one. */
  #unavailable(): ProxyError {
    return new ProxyError('UNAUTHENTICATED', 'tokens cannot be verified at the moment', {
      status: 503,
      headers: { 'retry-after': '5' }
    })
  }
}

function tokenOf(field: string): string {
  return field.replace(/^bearer(?: +|$)/i, '')
}

function reasonOf(error: JOSEError): string {
  if (error instanceof JWTExpired) return 'the token has expired'
  if (error instanceof JOSEAlgNotAllowed) return 'the token is signed by an algorithm that is not allowed'
  if (error instanceof JWKSNoMatchingKey) return 'the token is signed with a key that is not known'
  if (error instanceof JWSSignatureVerificationFailed) return "the token's signature is wrong"
  if (error instanceof JWTClaimValidationFailed) {
    const { claim, reason } = error
    if (reason === 'missing') return `the token has no ${claim}`
    if (reason === 'check_failed') {
      if (claim === 'iss') return 'the token is from another issuer'
      if (claim === 'aud') return 'the token is for another audience'
      if (claim === 'nbf') return 'the token is not valid yet'
      if (claim === 'typ') return 'the token is of another type'
    }
  }
  return 'the token is malformed'
}
