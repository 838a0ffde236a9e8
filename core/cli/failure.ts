import { ConfigError, formatProblem } from '../config/problem.js'
import { StartError } from '../server/types.js'

/** 0 done, 1 the configuration or an argument is wrong, 2 an address is taken or a part cannot start. */
export type ExitCode = 0 | 1 | 2

/** Something the person at the command line has to put right. The message is all they get to see. */
export class UsageError extends Error {
  constructor(message: string) {
    super(message)
    this.name = 'UsageError'
  }
}

export interface Failure {
  lines: string[]
  exitCode: ExitCode
}

/**
 * What is printed of an error, and the exit code that says whose it is.
 *
 * @param verbose adds the stack and its causes
 */
export function describeFailure(error: unknown, verbose: boolean): Failure {
  const lines = plainLines(error)
  if (verbose && error instanceof Error && error.stack !== undefined) lines.push(...stacks(error))
  return { lines, exitCode: error instanceof ConfigError || error instanceof UsageError ? 1 : 2 }
}

/** Each problem of a configuration on one line of its own. */
export function problemLines(error: ConfigError): string[] {
  return error.problems.map((problem) => formatProblem(problem).replace(/\s*\n\s*/g, ' '))
}

export function count(n: number, noun: string): string {
  return `${n} ${noun}${n === 1 ? '' : 's'}`
}

function plainLines(error: unknown): string[] {
  if (error instanceof ConfigError) return [...problemLines(error), count(error.problems.length, 'error')]
  if (error instanceof StartError || error instanceof UsageError) return [`outrigger: ${error.message}`]
  const message = error instanceof Error ? error.message : String(error)
  return [`outrigger: unexpected: ${message} (--verbose shows where)`]
}

function stacks(error: Error): string[] {
  const lines: string[] = []
  let current: unknown = error
  for (let depth = 0; current instanceof Error && depth < 5; depth++) {
    lines.push(`${depth === 0 ? '' : 'caused by: '}${current.stack ?? current.message}`)
    current = current.cause
  }
  return lines
}
