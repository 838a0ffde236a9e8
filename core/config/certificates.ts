import { readFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import { createSecureContext } from 'node:tls'
import { isPlain } from './document.js'
import type { Path } from './path.js'
import { pathKey } from './path.js'
import { quote } from './quote.js'
import type { Report } from './report.js'

/** The PEM files that a configuration names, read. */
export class Certificates {
  readonly #texts = new Map<string, string>()
  readonly #directory: string
  readonly #report: Report
  /** Absolute, those that could not be read too: they may come to be. */
  readonly files = new Set<string>()

  constructor(directory: string, report: Report) {
    this.#directory = directory
    this.#report = report
  }

  /** Reads what stands under `tls` on each listener and service. */
  async read(value: unknown): Promise<void> {
    if (!isPlain(value)) return
    for (const kind of ['listeners', 'services']) {
      const parts = value[kind]
      if (!isPlain(parts)) continue
      for (const [name, part] of Object.entries(parts)) {
        if (isPlain(part) && isPlain(part.tls)) await this.#readPart(part.tls, [kind, name, 'tls'])
      }
    }
  }

  /** The text of the file named at `path`; undefined when none is. */
  text(path: Path): string | undefined {
    return this.#texts.get(pathKey(path))
  }

  async #readPart(tls: Record<string, unknown>, path: Path): Promise<void> {
    for (const [key, kind] of [
      ['ca', 'CERTIFICATE'],
      ['cert', 'CERTIFICATE'],
      ['key', 'PRIVATE KEY']
    ] as const) {
      const file = tls[key]
      if (typeof file === 'string' && file !== '') await this.#readFile(file, kind, [...path, key])
    }
    const [ca, cert, key] = ['ca', 'cert', 'key'].map((name) => this.text([...path, name]))
    try {
      if (ca !== undefined) createSecureContext({ ca })
    } catch (error) {
      this.#report.add([...path, 'ca'], `${quote(tls.ca)} is not usable: ${(error as Error).message}`)
    }
    try {
      if (cert !== undefined && key !== undefined) createSecureContext({ cert, key })
    } catch (error) {
      this.#report.add([...path, 'cert'], `does not go with its key: ${(error as Error).message}`)
    }
  }

  async #readFile(name: string, kind: string, path: Path): Promise<void> {
    const file = resolve(this.#directory, name)
    this.files.add(file)
    try {
      const text = await readFile(file, 'utf8')
      if (new RegExp(`-----BEGIN [A-Z ]*${kind}-----`).test(text)) this.#texts.set(pathKey(path), text)
      else this.#report.add(path, `expected a PEM file with a ${kind.toLowerCase()}: ${file} has none`)
    } catch (error) {
      const code = (error as NodeJS.ErrnoException).code
      const why = code === 'ENOENT' ? 'there is no such file' : (error as Error).message
      this.#report.add(path, `cannot read ${file}: ${why}`)
    }
  }
}
