// What the tests of pages need to read of Markdown: sections, tables, code and links.

/** What stands below a heading, up to the next of its level or above. @throws when there is none */
export function section(text: string, heading: string): string {
  const lines = outsideBlocks(text)
  const from = lines.findIndex(
    ({ line, code }) => !code && line.replace(/^#+ /, '') === heading && /^#/.test(line)
  )
  const level = /^#+/.exec(lines[from]?.line ?? '')?.[0].length
  if (level === undefined) throw new Error(`there is no heading ${JSON.stringify(heading)}`)
  const rest = lines.slice(from + 1)
  const to = rest.findIndex(({ line, code }) => !code && /^#+ /.test(line) && line.indexOf(' ') <= level)
  return (to < 0 ? rest : rest.slice(0, to)).map(({ line }) => line).join('\n')
}

/** The rows of the first table whose heading row begins so, each as its cells. @throws when there is none */
export function table(text: string, firstHeading: string): string[][] {
  const lines = text.split('\n')
  const from = lines.findIndex((line) => line.startsWith(`| ${firstHeading} |`))
  if (from < 0) throw new Error(`there is no table of ${firstHeading}`)
  const rows: string[][] = []
  for (const line of lines.slice(from + 2)) {
    if (!line.startsWith('|')) break
    rows.push(
      line
        .slice(1, line.lastIndexOf('|'))
        .split('|')
        .map((cell) => cell.trim())
    )
  }
  return rows
}

/** What stands between backticks. */
export function codes(text = ''): string[] {
  return [...text.matchAll(/`([^`]+)`/g)].map(([, code]) => code as string)
}

/** Code blocks that say what file they are, by its name. */
export function files(text: string): Map<string, string> {
  const found = new Map<string, string>()
  for (const [, code = ''] of text.matchAll(/^```\w+\n([\s\S]*?)^```$/gm)) {
    const name = /^(?:\/\/|#) file: (\S+)\n/.exec(code)?.[1]
    if (name !== undefined) found.set(name, code)
  }
  return found
}

/** Where links lead, as they are written. */
export function links(text: string): string[] {
  return [...text.matchAll(/\]\(([^)\s]+)\)/g)].map(([, target]) => target as string)
}

/** The anchors that GitHub gives to headings. */
export function anchors(text: string): string[] {
  return outsideBlocks(text)
    .filter(({ line, code }) => !code && /^#+ /.test(line))
    .map(({ line }) =>
      line
        .replace(/^#+ /, '')
        .toLowerCase()
        .replace(/[^\w\- ]/g, '')
        .replaceAll(' ', '-')
    )
}

function outsideBlocks(text: string): { line: string; code: boolean }[] {
  let code = false
  return text.split('\n').map((line) => {
    if (line.startsWith('```')) code = !code
    return { line, code }
  })
}
