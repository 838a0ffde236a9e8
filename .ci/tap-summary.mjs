// Turns TAP into what a person wants to read: a line for each file as it ends, and of a failure all that is known.
import { Parser } from 'tap-parser'
import { stringify } from 'yaml'

/**
 * @param input a stream of TAP whose top level is one subtest per file
 * @param print takes one line
 * @returns how many assertions passed and failed; those marked todo or skip are neither
 */
export function summarise(input, print) {
  const total = { passed: 0, failed: 0 }
  let file = emptyFile()
  const parser = new Parser()

  parser.on('child', ({ name }) => {
    file = emptyFile(name)
  })
  parser.on('pass', () => {
    total.passed++
    file.passed++
  })
  parser.on('fail', (result) => {
    total.failed++
    // A failure of the file as a whole comes after its closing line, which has told of it.
    if (result.fullname !== result.name) file.failures.push(result)
  })
  parser.on('skip', () => file.skipped++)
  parser.on('todo', () => file.todo++)
  parser.on('extra', (line) => file.output.push(line.trimEnd()))
  parser.on('bailout', (reason) => print(`bailed out: ${reason}`))
  parser.on('assert', (result) => {
    // tap passes a file that has no test in it. Nobody means that.
    const empty = result.ok && result.skip === 'no tests found'
    if (empty) total.failed++
    const what = empty ? 'no test in it' : file.name === undefined ? 'not a file' : told(file)
    print(`${result.ok && !empty ? 'ok  ' : 'FAIL'} ${result.name}: ${what}${took(result)}`)
    if (!result.ok && !result.todo) {
      for (const line of file.output) print(`     | ${line.trimStart()}`)
      for (const failure of file.failures) describe(failure, print)
      if (file.failures.length === 0) describe(result, print)
    }
    file = emptyFile()
  })

  return new Promise((resolve) => {
    parser.on('complete', () => resolve(total))
    input.pipe(parser)
  })
}

function emptyFile(name) {
  return { name, passed: 0, skipped: 0, todo: 0, failures: [], output: [] }
}

function told({ passed, failures, skipped, todo }) {
  const parts = [`${passed} passed`]
  if (failures.length > 0) parts.push(`${failures.length} failed`)
  if (skipped > 0) parts.push(`${skipped} skipped`)
  if (todo > 0) parts.push(`${todo} to do`)
  return parts.join(', ')
}

function took({ time }) {
  return time ? ` (${(time / 1000).toFixed(1)} s)` : ''
}

/** What failed, where, the difference as it is, then whatever else the assertion said. */
function describe({ fullname, diag }, print) {
  // How tap started the file, and what the name, place and difference have told already.
  const { at, diff, stack, source, stdio, cwd, externalID, command, args, jobId, ...rest } = diag ?? {}
  const place = at?.fileName === undefined ? '' : ` (${at.fileName}:${at.lineNumber}:${at.columnNumber})`
  print(`     not ok: ${fullname}${place}`)
  for (const [text, mark] of [
    [diff, ''],
    [Object.keys(rest).length > 0 ? stringify(rest) : undefined, ''],
    [stack, 'at ']
  ]) {
    for (const line of text?.trimEnd().split('\n') ?? []) print(`       ${mark}${line}`)
  }
}
