import type { Host } from '../host.js'

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
  const { runProgram } = await import('./program.js')
  process.exitCode = await runProgram(host, args)
  // A plugin's forgotten timer or socket must not keep alive a process whose work is done.
  setTimeout(() => process.exit(), 1000).unref()
}
