import { ProxyError } from '../../core/index.js'

/** What `re2js` gives, as far as it is used here. */
interface Engine {
  compile(expression: string): Expression
}
interface Expression {
  groupCount(): number
  programSize(): number
  matcher(text: string): {
    find(): boolean
    start(group: number): number
    end(group: number): number
    group(group: number): string | null
  }
}

/**
 * Steps that one match may take: the length of a path times the size of an expression's program, which RE2's matching is
 * linear in. At 4 to 20 ns each that is 1 to 4 ms where all of it is needed, and a tenth of that as a rule.
 */
const MAX_STEPS = 200_000
/** Instructions. Past it a path of 1,000 characters would be too long. */
const MAX_PROGRAM = 200
const MAX_PATH = 8_192
/** Characters of what comes of it. */
const MAX_RESULT = 16_384

/**
 * A replacement of what an expression matches first. RE2 has no backtracking, so that no path makes it slow; and it is
 * the first match alone since each further one could look through all of the path again.
 */
export class Replacement {
  readonly #expression: Expression
  readonly #parts: readonly (string | number)[]
  readonly #longest: number

  /**
   * @param text in which `$1` is a group
   * @throws TypeError on an expression that is none, or too large, and on a group that it does not have
   */
  constructor(engine: Engine, regex: string, text: string) {
    this.#expression = compile(engine, regex)
    const size = this.#expression.programSize()
    if (size > MAX_PROGRAM)
      throw new TypeError(
        `expected an expression of up to ${MAX_PROGRAM} instructions, what is repeated counted as often as it may be, ` +
          `not ${size}: ${JSON.stringify(regex)}`
      )
    this.#longest = Math.min(MAX_PATH, Math.floor(MAX_STEPS / Math.max(1, size)))
    this.#parts = parse(text, this.#expression.groupCount())
  }

  /**
   * @returns the path as it was where nothing matches
   * @throws ProxyError BAD_REQUEST, 414: the path is too long to be looked through, or becomes so
   */
  apply(path: string): string {
    if (path.length > this.#longest) throw tooLong()
    const match = this.#expression.matcher(path)
    if (!match.find()) return path
    let replaced = ''
    for (const part of this.#parts) {
      replaced += typeof part === 'string' ? part : (match.group(part) ?? '')
      if (replaced.length > MAX_RESULT) throw tooLong()
    }
    return path.slice(0, match.start(0)) + replaced + path.slice(match.end(0))
  }
}

function tooLong(): ProxyError {
  return new ProxyError('BAD_REQUEST', 'the path is too long', { status: 414 })
}

function compile(engine: Engine, regex: string): Expression {
  try {
    return engine.compile(regex)
  } catch (error) {
    const { message } = error as Error
    throw new TypeError(`expected an expression in RE2 syntax, not ${JSON.stringify(regex)}: ${message}`)
  }
}

function parse(text: string, groups: number): (string | number)[] {
  const parts: (string | number)[] = []
  let from = 0
  for (const match of text.matchAll(/\$(?:(\$)|(\d{1,2}))?/g)) {
    const [whole, dollar, digits] = match
    parts.push(text.slice(from, match.index))
    from = match.index + whole.length
    if (dollar !== undefined) {
      parts.push('$')
      continue
    }
    if (digits === undefined)
      throw new TypeError(`expected a digit behind $, or $$ for a dollar, not ${JSON.stringify(text)}`)
    const group = Number(digits)
    if (group > groups)
      throw new TypeError(`expected $0 to $${groups}, the groups that there are, not $${digits}`)
    parts.push(group)
  }
  parts.push(text.slice(from))
  return parts.filter((part) => part !== '')
}
