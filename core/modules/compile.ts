import { dirname } from 'node:path'
import { Script } from 'node:vm'
import { isTypeScript } from './format.js'
import type { LoadedFile } from './graph.js'

/** What a file is given to reach others. */
export interface Imports {
  require(specifier: string): unknown
  import(specifier: string): Promise<unknown>
  /** What `import.meta.resolve` says. */
  resolve(specifier: string): string
}

/** As jiti's transform leaves it in the exports of a file that does not parse. */
interface ParseFailure {
  line: number
  message: string
}

export class ParseError extends SyntaxError {
  readonly line: number

  constructor(message: string, line: number) {
    super(message)
    this.line = line
  }
}

const PARAMETERS = 'exports, require, module, __filename, __dirname, jitiImport, jitiESMResolve'

/**
 * Runs a file's text. An `async` one may wait at its top level, and then the promise is of its end. Lines stay where
 * they were, so that stacks name the author's own.
 *
 * @throws ParseError, or whatever the file throws
 */
export function evaluate(loaded: LoadedFile, async: boolean, imports: Imports): unknown {
  const { file, module } = loaded
  const code = transpile(loaded, async)
  // The parameters' names are those that transpiled code refers to.
  const wrapped = `(${async ? 'async ' : ''}function (${PARAMETERS}) { ${code}\n})`
  const run = new Script(wrapped, { filename: file }).runInThisContext() as (...args: unknown[]) => unknown
  const finish = () => {
    const failure = (module.exports as { __JITI_ERROR__?: ParseFailure } | null)?.__JITI_ERROR__
    if (failure !== undefined) throw new ParseError(failure.message.trim().replace(/\.$/, ''), failure.line)
  }
  const ended = run(
    module.exports,
    imports.require,
    module,
    file,
    dirname(file),
    imports.import,
    imports.resolve
  )
  if (ended instanceof Promise) return ended.then(finish)
  finish()
}

function transpile({ file, source, jiti }: LoadedFile, async: boolean): string {
  // Plain CommonJS runs as it is. An `import()` in it has to become ours: the one of a vm script would be Node's.
  if (!async && !isTypeScript(file) && !/\bimport\s*\(/.test(source)) return source.replace(/^#!/, '//')
  const code = jiti.transform({
    source,
    filename: file,
    ts: isTypeScript(file),
    async,
    retainLines: true,
    interopDefault: true
  })
  return code.replace(/^#!/, '//')
}
