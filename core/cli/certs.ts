import { type Command, Option } from 'commander'
import type { Host } from '../host.js'

/** What the program's other commands are given as well. */
export interface CertsParts {
  readonly host: Host
  say(text: string): void
  /** @throws UsageError when a command stands behind `--` */
  noCommandBehind(name: string): void
  verbose(): Option
}

/** Adds `outrigger certs` and what is under it. */
export function addCerts(program: Command, { host, say, noCommandBehind, verbose }: CertsParts): void {
  const certs = program
    .command('certs')
    .summary('make certificates for development, and show what one says')
    .description(
      'Certificates for TLS and mTLS on machines of your own. What is made here is trusted by nobody who was not told to: ' +
        'in production take those of your own CA. A listener and a service take up files that change, without a reload.'
    )
    .addHelpText(
      'after',
      `
Examples:
  outrigger certs dev                                          a CA, and a certificate for localhost
  outrigger certs dev --name orders --name payments            by the same CA, one for each
  outrigger certs dev --name orders --spiffe spiffe://shop.local/orders
  outrigger certs show certs/orders.pem`
    )
  const repeated = (value: string, before: string[]) => [...before, value]
  certs
    .command('dev')
    .summary('make a development CA, and certificates that it signs')
    .description(
      'Makes a CA (ca.pem, ca.key), or keeps the one that is there, and a certificate (NAME.pem, NAME.key) for each name: ' +
        'for servers and clients alike, with localhost and the loopback addresses among its names. Run it again to renew ' +
        'them. Keys are RSA-2048, readable by their owner alone.'
    )
    .option('--out <DIR>', 'where they are written', 'certs')
    .addOption(
      new Option('--name <NAME>', 'the host that a certificate is for; may be repeated')
        .argParser(repeated)
        .default([], 'localhost')
    )
    .addOption(
      new Option('--spiffe <URI>', 'the SPIFFE ID of the --name at the same place; may be repeated')
        .argParser(repeated)
        .default([], 'spiffe://dev.local/NAME')
    )
    .option('--days <DAYS>', 'how long the certificates are valid; the CA is for ten years', '365')
    .option(
      '--force',
      'overwrite what is there, the CA and its key too: what it has signed is then worth nothing'
    )
    .addOption(verbose())
    .action(
      async (options: { out: string; name: string[]; spiffe: string[]; days: string; force?: true }) => {
        noCommandBehind('certs dev')
        const { certsDev } = await import('./certs-dev.js')
        say(await certsDev(host, options))
      }
    )
  certs
    .command('show')
    .summary('print what the certificates in a file say')
    .description(
      'Prints subject, names, identity, validity and fingerprint of each certificate in a PEM or DER file.'
    )
    .argument('<FILE>', 'such as certs/localhost.pem')
    .addOption(verbose())
    .action(async (file: string) => {
      noCommandBehind('certs show')
      const { certsShow } = await import('./certs-show.js')
      say(await certsShow(file))
    })
}
