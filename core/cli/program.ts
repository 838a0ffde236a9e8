import { Command, CommanderError, Option } from 'commander'
import type { Host } from '../host.js'
import { addCerts } from './certs.js'
import { describeFailure, type ExitCode, UsageError } from './failure.js'
import { DEFAULT_FILE, DEFAULT_WAIT } from './plain-run.js'

const EXIT_CODES = `
Exit codes:
  0  done
  1  the configuration or an argument is wrong
  2  an address is taken or a part cannot start`

/** Where the program writes. */
export interface Terminal {
  out(text: string): void
  err(text: string): void
}

const processTerminal: Terminal = {
  out: (text) => void process.stdout.write(text),
  err: (text) => void process.stderr.write(text)
}

/** Parses, runs and reports. @returns the exit code; nothing is thrown */
export async function runProgram(
  host: Host,
  args: readonly string[],
  terminal: Terminal = processTerminal
): Promise<ExitCode> {
  // What is behind `--` belongs to the child: the parser would take it for arguments of ours.
  const split = args.indexOf('--')
  const own = split === -1 ? args : args.slice(0, split)
  const behind = split === -1 ? undefined : args.slice(split + 1)
  try {
    await buildProgram(host, behind, terminal).parseAsync(own, { from: 'user' })
    return 0
  } catch (error) {
    // The parser has printed its own message, or the help that was asked for.
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 1
    const failure = describeFailure(error, own.includes('--verbose'))
    terminal.err(`${failure.lines.join('\n')}\n`)
    return failure.exitCode
  }
}

function buildProgram(host: Host, behind: string[] | undefined, terminal: Terminal): Command {
  const program = new Command('outrigger')
    .description('A programmable proxy: a pipeline of plugins per route, in front of your services.')
    .version(host.version, '-V, --version', 'print the version')
    .helpOption('-h, --help', 'print this help')
    .helpCommand('help [COMMAND]', 'print the help of a command')
    .exitOverride()
    .showHelpAfterError('(--help lists what there is)')
    .configureOutput({
      writeOut: terminal.out,
      writeErr: terminal.err,
      outputError: (text, write) => write(text.replace(/^error: /, 'outrigger: '))
    })
    .addHelpText('after', EXIT_CODES)
  const say = (text: string) => terminal.out(`${text}\n`)
  const noCommandBehind = (name: string) => {
    if (behind !== undefined) throw new UsageError(`${name} takes no command behind --: only run does`)
  }

  program
    .command('run')
    .summary('run the proxy, and beside it a service if one is named')
    .description(
      'Runs the proxy until SIGTERM or Ctrl-C, which drain it: readiness fails, listeners stop accepting, exchanges in ' +
        'flight end. A second signal ends it at once. SIGHUP reads the configuration anew.'
    )
    .usage('[options] [FILE] [-- COMMAND...]')
    .argument('[FILE]', 'the configuration', DEFAULT_FILE)
    .option('--watch', 'read the configuration anew when it, a plugin file or a certificate changes')
    .option(
      '--wait-for <ADDRESS>',
      'where COMMAND will accept connections, HOST:PORT or unix:PATH (default: any local endpoint that nobody served before)'
    )
    .option('--wait-timeout <SECONDS>', 'how long COMMAND may take until then', DEFAULT_WAIT)
    .addOption(verbose())
    .addHelpText(
      'after',
      `
Behind -- stands the service that this proxy is for. It is started once the listeners are bound, started again with
back-off when it ends, and stopped last. It has the environment and the terminal of this process.

Examples:
  outrigger run
  outrigger run shop.yaml --watch
  outrigger run shop.yaml -- node app.js`
    )
    .action(
      async (
        file: string,
        options: { watch?: true; waitFor?: string; waitTimeout: string; verbose?: true }
      ) => {
        if (behind?.length === 0) throw new UsageError('a command is missing behind --')
        const { run } = await import('./run.js')
        await run({
          host,
          file,
          watch: options.watch === true,
          verbose: options.verbose === true,
          command: behind,
          waitFor: options.waitFor,
          waitTimeout: options.waitTimeout
        })
      }
    )

  program
    .command('check')
    .summary('check a configuration without running it')
    .description(
      'Prints every error in the configuration, each with its place, or that there is none. Runs no plugin.'
    )
    .argument('[FILE]', 'the configuration', DEFAULT_FILE)
    .addOption(verbose())
    .action(async (file: string) => {
      noCommandBehind('check')
      const { check } = await import('./check.js')
      say(await check(host, file))
    })

  program
    .command('explain')
    .summary('say which route a request takes, and what runs on it')
    .description(
      'Prints the route that a request takes, why it won, and the plugins of each hook in the order they run.'
    )
    .argument('<FILE>', 'the configuration')
    .argument('<METHOD>', 'such as GET')
    .argument('<URL>', 'such as http://shop.example.com/orders/1, or a path alone')
    .addOption(
      new Option('-H, --header <FIELD>', "a request header, such as 'x-beta: 1'; may be repeated")
        .argParser((value: string, before: string[]) => [...before, value])
        .default([], 'none')
    )
    .option('--listener <NAME>', 'the listener it comes in by (default: any)')
    .option('--json', 'print JSON')
    .addOption(verbose())
    .action(
      async (
        file: string,
        method: string,
        url: string,
        options: { header: string[]; listener?: string; json?: true }
      ) => {
        noCommandBehind('explain')
        const { explain } = await import('./explain.js')
        say(await explain(host, { file, method, url, ...options }))
      }
    )

  program
    .command('plugins')
    .summary('list the plugins there are, and what each takes')
    .description(
      'Lists the built-in plugins and, given a configuration, those it names besides: hooks, places and config keys.'
    )
    .argument('[FILE]', 'a configuration')
    .option('--json', 'print JSON, config as JSON Schema')
    .addOption(verbose())
    .action(async (file: string | undefined, options: { json?: true }) => {
      noCommandBehind('plugins')
      const { plugins } = await import('./plugins.js')
      say(await plugins(host, file, options.json === true))
    })

  program
    .command('new')
    .description('Writes the beginnings of something.')
    .summary('write a new plugin')
    .command('plugin')
    .description(
      'Writes a plugin, its test, its README and a configuration to try it, in a folder of its name. They work as they are.'
    )
    .argument('<NAME>', 'lower case letters, digits and dashes')
    .option('--dir <DIR>', 'where that folder is made', '.')
    .addOption(verbose())
    .action(async (name: string, options: { dir: string }) => {
      noCommandBehind('new plugin')
      const { newPlugin } = await import('./new-plugin.js')
      say(await newPlugin(name, options.dir, host))
    })

  addCerts(program, { host, say, noCommandBehind, verbose })

  return program
}

function verbose(): Option {
  return new Option('--verbose', 'say more: stacks of errors, and debug lines')
}
