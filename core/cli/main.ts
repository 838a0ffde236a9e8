import type { Host } from '../host.js'
import { DEFAULT_WAIT, type PlainRun, readPlainRun } from './plain-run.js'

/**
 * The command line. Sets `process.exitCode`: 0 done, 1 the configuration or an argument is wrong, 2 an address is
 * taken or a part cannot start. `run` resolves when the proxy has been drained.
 *
 * @param argv as in `process.argv`: the interpreter and the script come first
 */
export async function main(host: Host, argv: string[]): Promise<void> {
  // A reader that leaves (`outrigger plugins | head`) is no failure of ours, and must not end a running proxy.
  for (const stream of [process.stdout, process.stderr]) stream.on('error', () => {})
  const args = argv.slice(2)
  // Answered before anything is loaded: scripts ask for it often.
  if (args.length === 1 && (args[0] === '--version' || args[0] === '-V')) {
    process.stdout.write(`${host.version}\n`)
    return
  }
  const plain = readPlainRun(args)
  process.exitCode = plain === undefined ? await parseAndRun(host, args) : await runPlain(host, plain)
  // A plugin's forgotten timer or socket must not keep alive a process whose work is done.
  setTimeout(() => process.exit(), 1000).unref()
}

async function parseAndRun(host: Host, args: readonly string[]): Promise<number> {
  const { runProgram } = await import('./program.js')
  return runProgram(host, args)
}

async function runPlain(host: Host, options: PlainRun): Promise<number> {
  try {
    const { run } = await import('./run.js')
    await run({ host, ...options, waitFor: undefined, waitTimeout: DEFAULT_WAIT })
    return 0
  } catch (error) {
    const { describeFailure } = await import('./failure.js')
    const { lines, exitCode } = describeFailure(error, options.verbose)
    process.stderr.write(`${lines.join('\n')}\n`)
    return exitCode
  }
}
