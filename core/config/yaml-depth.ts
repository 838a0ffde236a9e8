import { Lexer } from 'yaml'

/** Levels of `[` and `{`, and of `-` and `?` on one line: a configuration has ten. */
const MAX_DEPTH = 64
/** Columns of indentation. */
const MAX_INDENT = 512

/**
 * Where a text begins to nest deeper than any configuration does, as an offset; undefined when it does not. YAML's
 * parser calls itself for each level, and a few kilobytes of `[` end the whole process, running requests and all.
 */
export function tooDeepAt(text: string): number | undefined {
  let offset = 0
  let brackets = 0
  let indicators = 0
  let lineStart = true
  for (const token of new Lexer().lex(text)) {
    if (token === '[' || token === '{') brackets++
    else if (token === ']' || token === '}') brackets--
    else if (token === '-' || token === '?') indicators++
    const indented = lineStart && token.length > MAX_INDENT && token.trim() === ''
    if (brackets > MAX_DEPTH || indicators > MAX_DEPTH || indented) return offset
    lineStart = token.endsWith('\n')
    if (lineStart) indicators = 0
    // The lexer's own marks, of a document's start and of a scalar, stand for nothing in the text.
    if (token !== '\u0002' && token !== '\u001f') offset += token.length
  }
  return undefined
}
