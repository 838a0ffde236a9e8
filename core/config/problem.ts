/** One thing wrong with a configuration. */
export interface Problem {
  /** `FILE:LINE:COL`, or undefined where the configuration is an object. */
  readonly at: string | undefined
  /** Dotted, list positions in brackets: `routes[0].plugins[1].retry.attempts`. Empty for the whole file. */
  readonly path: string
  readonly message: string
}

export function formatProblem({ at, path, message }: Problem): string {
  return [at, path, message].filter((part) => part !== undefined && part !== '').join(': ')
}

/** A configuration that cannot be used, with everything that is wrong with it. */
export class ConfigError extends Error {
  readonly problems: readonly Problem[]

  constructor(problems: readonly Problem[]) {
    super(problems.map(formatProblem).join('\n'))
    this.name = 'ConfigError'
    this.problems = problems
  }
}
