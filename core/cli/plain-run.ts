/** What is run where no file is named. */
export const DEFAULT_FILE = './sidecar.yaml'

/** Seconds that a service beside the proxy may take to accept connections, as they would be typed. */
export const DEFAULT_WAIT = '30'

export interface PlainRun {
  readonly file: string
  readonly watch: boolean
  readonly verbose: boolean
  /** The service beside the proxy, and its arguments; undefined: none. */
  readonly command: readonly string[] | undefined
}

/**
 * `run [FILE]`, with or without `--watch`, `--verbose` and a command behind `--`: how nearly every process is started.
 * It is read here, since to load the parser takes time and memory that every start would pay for.
 *
 * @returns undefined for all else: the parser reads that, and says what is wrong with it
 */
export function readPlainRun(args: readonly string[]): PlainRun | undefined {
  const split = args.indexOf('--')
  const [name, ...own] = split === -1 ? args : args.slice(0, split)
  const command = split === -1 ? undefined : args.slice(split + 1)
  if (name !== 'run' || command?.length === 0) return undefined
  const flags = new Set(own.filter((arg) => arg.startsWith('-')))
  const files = own.filter((arg) => !arg.startsWith('-'))
  const watch = flags.delete('--watch')
  const verbose = flags.delete('--verbose')
  if (flags.size > 0 || files.length > 1) return undefined
  return { file: files[0] ?? DEFAULT_FILE, watch, verbose, command }
}
