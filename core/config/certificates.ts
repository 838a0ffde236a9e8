import { readFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import { checkPem, contextOf, PemError } from '../tls/pem.js'
import { isPlain } from './document.js'
import type { Path } from './path.js'
import type { Report } from './report.js'

const KINDS = { ca: 'CERTIFICATE', cert: 'CERTIFICATE', key: 'PRIVATE KEY' } as const
const PARTS = ['ca', 'cert', 'key'] as const

/** The PEM files that a configuration names: read, to see whether they can be used. */
export class Certificates {
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
        if (!isPlain(part) || !isPlain(part.tls)) continue
        const { tls } = part
        const path = [kind, name, 'tls']
        await this.#readPart(tls, path)
        if (kind !== 'listeners' || !Array.isArray(tls.sni)) continue
        for (const [index, each] of tls.sni.entries())
          if (isPlain(each)) await this.#readPart(each, [...path, 'sni', index])
      }
    }
  }

  async #readPart(tls: Record<string, unknown>, path: Path): Promise<void> {
    const [ca, cert, key] = await Promise.all(PARTS.map((part) => this.#readFile(tls, part, path)))
    const pem = { ca, cert, key }
    try {
      checkPem(pem)
      contextOf(pem)
    } catch (error) {
      const part = error instanceof PemError ? error.part : cert === undefined ? 'ca' : 'cert'
      const { message } = error as Error
      this.#report.add([...path, part], error instanceof PemError ? message : `is not usable: ${message}`)
    }
  }

  async #readFile(
    tls: Record<string, unknown>,
    part: (typeof PARTS)[number],
    path: Path
  ): Promise<string | undefined> {
    const name = tls[part]
    if (typeof name !== 'string' || name === '') return undefined
    const file = resolve(this.#directory, name)
    this.files.add(file)
    const at = [...path, part]
    try {
      const text = await readFile(file, 'utf8')
      const kind = KINDS[part]
      if (new RegExp(`-----BEGIN [A-Z ]*${kind}-----`).test(text)) return text
      this.#report.add(at, `expected a PEM file with a ${kind.toLowerCase()}: ${file} has none`)
    } catch (error) {
      const code = (error as NodeJS.ErrnoException).code
      const why = code === 'ENOENT' ? 'there is no such file' : (error as Error).message
      this.#report.add(at, `cannot read ${file}: ${why}`)
    }
    return undefined
  }
}
