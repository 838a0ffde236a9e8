import type { Pace } from '../hooks/pace.js'
import type { Problem } from './problem.js'
import { TextDocument } from './text-document.js'

/** Characters that YAML's own parser reads in some 10 ms: more of them are read on a thread. */
const LARGE = 16 * 1024

type Read = {
  /** Undefined when the text has no shape that more could be said about. */
  readonly document: TextDocument | undefined
  readonly problems: readonly Problem[]
}

/**
 * Reads YAML, and JSON as a part of it, without holding up anything else for long: a large text is read on a thread of its
 * own.
 *
 * @param name as problems are to call the file
 */
export async function readYaml(text: string, name: string, pace: Pace): Promise<Read> {
  if (text.length > LARGE) {
    const { readOnThread } = await import('./yaml-on-thread.js')
    const read = await readOnThread(text, name, pace)
    if (read !== undefined) return read
  }
  // The parser's size is start-up time, which few have to pay.
  const { readWithLibrary } = await import('./yaml-library.js')
  const { problems, found } = readWithLibrary(text, name)
  if (found === undefined) return { document: undefined, problems }
  return { document: new TextDocument(name, found.written, found.positions, found.lines), problems }
}
