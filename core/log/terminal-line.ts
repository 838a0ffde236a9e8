const COLOURS: Readonly<Record<string, string>> = { debug: '\x1b[90m', warn: '\x1b[33m', error: '\x1b[31m' }
const RESET = '\x1b[0m'

/**
 * One JSON line of the log as a person reads it: `15:20:01.123 WARN  message key=value`, stacks on lines of their own.
 * What is no such line comes back as it was.
 */
export function terminalLine(json: string, colours: boolean): string {
  let line: Record<string, unknown>
  try {
    line = JSON.parse(json)
  } catch {
    return json
  }
  const { level, time, msg, ...fields } = line
  const name = String(level)
  const stacks: string[] = []
  const rest = Object.entries(fields).map(([key, value]) => ` ${key}=${shown(value, stacks)}`)
  const start = colours ? (COLOURS[name] ?? '') : ''
  const head = `${String(time).slice(11, 23)} ${start}${name.toUpperCase().padEnd(5)}${start === '' ? '' : RESET}`
  return `${head} ${visible(String(msg ?? ''))}${rest.join('')}\n${stacks.map((stack) => `${stack}\n`).join('')}`
}

function shown(value: unknown, stacks: string[]): string {
  if (typeof value === 'string')
    return /^[^\s"=]+$/.test(value) ? visible(value) : JSON.stringify(visible(value))
  if (isError(value)) {
    if (typeof value.stack === 'string') stacks.push(indented(value.stack))
    return JSON.stringify(visible(sentence(value)))
  }
  return visible(JSON.stringify(value))
}

interface ErrorFields {
  type: string
  message: string
  code?: unknown
  cause?: unknown
  stack?: unknown
}

function isError(value: unknown): value is ErrorFields {
  return typeof value === 'object' && value !== null && 'type' in value && 'message' in value
}

/** `Error: what (CODE), because of what`, to the end of the causes. */
function sentence(error: ErrorFields): string {
  const code = error.code === undefined ? '' : ` (${error.code})`
  const cause = isError(error.cause) ? `, because of ${sentence(error.cause)}` : ''
  return `${error.type}: ${error.message}${code}${cause}`
}

function indented(stack: string): string {
  return stack
    .split('\n')
    .map((line) => `    ${visible(line.trim())}`)
    .join('\n')
}

/** A terminal obeys control characters, and some of what is logged was chosen by a client. */
function visible(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
  return text.replace(/[\x00-\x1f\x7f-\x9f]/g, (character) => {
    return `\\x${character.charCodeAt(0).toString(16).padStart(2, '0')}`
  })
}
