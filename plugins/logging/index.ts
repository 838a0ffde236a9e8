import { accessSync, constants, statSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { definePlugin, type Result, size, z } from '../../core/index.js'
import { AccessLog } from './access-log.js'
import { DEFAULT_FIELDS, FIELD_NAMES, HEADER_FIELD, isSecretHeader, select } from './fields.js'
import { lineMaker } from './format.js'

const field = z
  .string()
  .refine((name) => (FIELD_NAMES as readonly string[]).includes(name) || HEADER_FIELD.test(name), {
    error: ({ input }) => `expected ${FIELD_NAMES.join(', ')} or header:NAME, not ${JSON.stringify(input)}`
  })
  .refine((name) => !isSecretHeader(name), {
    error: ({ input }) => `${JSON.stringify(input)} would write a credential into the log`
  })
  // For editors, which complete what a schema lists.
  .meta({ anyOf: [{ enum: FIELD_NAMES }, { pattern: HEADER_FIELD.source }] })

export default definePlugin({
  name: 'logging',
  version: '0.1.0',
  description: 'one line per exchange, written off the event loop',
  places: ['top', 'route'],
  config: z.strictObject({
    format: z
      .enum(['json', 'text'])
      .default('json')
      .describe('json: one object a line; text: combined, then name=value'),
    destination: z.string().min(1).default('stdout').describe('stdout, or a file to append to'),
    sample: z
      .number()
      .min(0)
      .max(1)
      .default(1)
      .describe(
        'the part of exchanges that is logged; those that end with 500 or above, or with such a gRPC status, all are'
      ),
    fields: z
      .array(field)
      .min(1)
      .default([...DEFAULT_FIELDS])
      .describe('what a line says, in this order'),
    buffer: size({ min: 1024 })
      .default('8MiB')
      .describe('memory for lines on their way; what comes on top is dropped and counted')
  }),
  setup({ config, directory, log, metrics, clock, random, onClose }) {
    const { format, sample } = config
    const destination = locate(config.destination, directory)
    // The combined format names the protocol in any case.
    const fields = format === 'text' ? [...config.fields, 'httpVersion'] : config.fields
    const dropped = metrics.counter({
      name: 'outrigger_log_dropped_total',
      help: 'Lines of the access log that were given up because they could not be written in time.'
    })
    const accessLog = new AccessLog({
      destination,
      maker: lineMaker(format, select(fields)),
      maxBytes: config.buffer,
      dropped: dropped.labels(),
      log
    })
    onClose(() => accessLog.close())
    return {
      finish(result, exchange) {
        if (sample < 1 && !failed(result) && random() >= sample) return
        accessLog.write(result, exchange, clock.wallTime())
      }
    }
  }
})

/** UNKNOWN, DEADLINE_EXCEEDED, UNIMPLEMENTED, INTERNAL, UNAVAILABLE, DATA_LOSS: those that google.rpc.Code maps to a 5xx. */
const SERVER_FAULTS: ReadonlySet<number> = new Set([2, 4, 12, 13, 14, 15])

/** A gRPC call that failed has HTTP's 200 all the same. */
function failed({ status, grpcStatus }: Result): boolean {
  return status >= 500 || (grpcStatus !== undefined && (grpcStatus > 16 || SERVER_FAULTS.has(grpcStatus)))
}

/**
 * @returns `stdout` or an absolute path
 * @throws Error where no file can come to be: a mistake of the configuration is told when it loads, and not by silence
 */
function locate(destination: string, directory: string): string {
  if (destination === 'stdout' || destination === '/dev/stdout') return 'stdout'
  const file = resolve(directory, destination)
  const known = statSync(file, { throwIfNoEntry: false })
  if (known?.isDirectory()) throw new Error(`destination ${destination} is a folder; name a file in it`)
  try {
    accessSync(known === undefined ? dirname(file) : file, constants.W_OK)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    const what =
      known === undefined
        ? `its folder ${code === 'ENOENT' ? 'does not exist' : 'cannot be written'}`
        : 'it cannot be written'
    throw new Error(`destination ${destination}: ${what} (${code})`, { cause: error })
  }
  return file
}
