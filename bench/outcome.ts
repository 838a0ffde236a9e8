// What a mode hands back, and how that reads.
import { figure } from './report.js'

/** Something that has to be reached. */
export interface Target {
  readonly what: string
  readonly reached: number
  readonly atMost?: number
  readonly atLeast?: number
  /** Behind each figure, as ` ms`. Default: none. */
  readonly unit?: string
  /** Behind the point. Default 2. */
  readonly digits?: number
}

export interface Plot {
  /** In `plots/`. */
  readonly file: string
  readonly svg: string
  /** For who does not see it. */
  readonly description: string
}

/** Markdown, or what becomes a line of it. */
export type Part = string | Target | Plot

export interface Outcome {
  /** In the order they are read. */
  readonly parts: readonly Part[]
  /** Requests, and whatever else must not go wrong. */
  readonly failed: number
  /** What was looked for has been found, and the run is to end with 1: a regression. */
  readonly refused?: string | undefined
}

export function isTarget(part: Part): part is Target {
  return typeof part === 'object' && 'what' in part
}

export function isPlot(part: Part): part is Plot {
  return typeof part === 'object' && 'svg' in part
}

/** What could not be measured is not met. */
export function isMet({ reached, atMost, atLeast }: Target): boolean {
  if (Number.isNaN(reached)) return false
  return (atMost === undefined || reached <= atMost) && (atLeast === undefined || reached >= atLeast)
}

export function verdict(target: Target): string {
  const { what, reached, atMost, atLeast, unit = '', digits = 2 } = target
  const wanted = [
    ...(atLeast === undefined ? [] : [`at least ${atLeast}${unit}`]),
    ...(atMost === undefined ? [] : [`at most ${atMost}${unit}`])
  ].join(', ')
  return `${what}: ${figure(reached, digits)}${unit}, ${wanted}: **${isMet(target) ? 'met' : 'missed'}**`
}

/**
 * Markdown of a mode's parts. Targets that follow one another are one list.
 *
 * @param plots where the plots are, seen from the text; undefined for a text without them
 * @param judged whether the figures may be held against the targets
 */
export function textOf(parts: readonly Part[], plots: string | undefined, judged: boolean): string {
  const blocks: string[] = []
  let list: string[] = []
  const flush = () => {
    if (list.length > 0) blocks.push(list.join('\n'))
    list = []
  }
  for (const part of parts) {
    if (isTarget(part)) {
      if (judged) list.push(`- ${verdict(part)}`)
      continue
    }
    flush()
    if (typeof part === 'string') blocks.push(part)
    else if (plots !== undefined) blocks.push(`![${part.description}](${plots}${part.file})`)
  }
  flush()
  return blocks.join('\n\n')
}
