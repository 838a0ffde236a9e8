import { MessageChannel, type MessagePort, receiveMessageOnPort, Worker } from 'node:worker_threads'
import type { Pace } from '../hooks/pace.js'
import type { PositionArrays } from './positions.js'
import type { Problem } from './problem.js'
import { TextDocument } from './text-document.js'
import { addPiece, type Piece } from './yaml-pieces.js'

/** What the thread answers, once all pieces of the tree wait on the port. */
export interface ThreadRead {
  readonly problems: readonly Problem[]
  readonly found:
    | {
        /** Without the pieces: a copy of the whole tree would be made in one go. */
        readonly root: unknown
        readonly positions: PositionArrays
        readonly lines: Int32Array
      }
    | undefined
}

/** MiB of the thread's heap: 64 MiB of text come to some thirty times as much. */
const HEAP = 4096

/**
 * Has a thread read a text by YAML's own parser.
 *
 * @returns undefined when the thread could not do it
 */
export async function readOnThread(
  text: string,
  name: string,
  pace: Pace
): Promise<{ document: TextDocument | undefined; problems: readonly Problem[] } | undefined> {
  const { port1: here, port2: there } = new MessageChannel()
  try {
    const read = await askThread(text, name, there)
    if (read === undefined) return undefined
    const { problems, found } = read
    if (found === undefined) return { document: undefined, problems }
    await pace.run(assemble(found.root, here))
    return { document: new TextDocument(name, found.root, found.positions, found.lines), problems }
  } finally {
    here.close()
  }
}

/** Each piece is copied when it is taken off the port, and not before. */
function* assemble(root: unknown, port: MessagePort): Generator<void, void> {
  for (let next = receiveMessageOnPort(port); next !== undefined; next = receiveMessageOnPort(port)) {
    addPiece(root, next.message as Piece)
    yield
  }
}

function askThread(text: string, name: string, port: MessagePort): Promise<ThreadRead | undefined> {
  return new Promise((resolve) => {
    const worker = new Worker(entry(), {
      workerData: { text, name, port },
      transferList: [port],
      // A test runner's loaders are not the thread's.
      execArgv: [],
      resourceLimits: { maxOldGenerationSizeMb: HEAP }
    })
    worker.once('message', (read: ThreadRead) => {
      resolve(read)
      void worker.terminate()
    })
    worker.once('error', () => resolve(undefined))
    worker.once('exit', () => resolve(undefined))
  })
}

function entry(): URL {
  const source = import.meta.url.endsWith('.ts')
  return new URL(source ? './yaml-thread-from-source.mjs' : './yaml-thread.js', import.meta.url)
}
