// Results into the README, and plots beside it.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { isPlot, type Part } from './outcome.js'

/** Seen from the README. */
export const PLOTS = 'plots/'

export function marksOf(part: string): { begin: string; end: string } {
  return { begin: `<!-- ${part}: written by npm run bench -- --write -->`, end: `<!-- end of ${part} -->` }
}

/** Puts a text between a part's marks. @throws Error when they are not there */
export function between(document: string, part: string, text: string): string {
  const { begin, end } = marksOf(part)
  const [before, rest] = document.split(begin)
  const after = rest?.split(end)[1]
  if (before === undefined || after === undefined)
    throw new Error(`README.md has lost the marks of its ${part}`)
  return `${before}${begin}\n\n${text}\n\n${end}${after}`
}

/** @param folder of the README */
export function writeDown(folder: string, texts: ReadonlyMap<string, string>, parts: readonly Part[]): void {
  const file = join(folder, 'README.md')
  let document = readFileSync(file, 'utf8')
  for (const [part, text] of texts) document = between(document, part, text)
  writeFileSync(file, document)
  const plots = join(folder, PLOTS)
  mkdirSync(plots, { recursive: true })
  for (const plot of parts.filter(isPlot)) writeFileSync(join(plots, plot.file), plot.svg)
}
