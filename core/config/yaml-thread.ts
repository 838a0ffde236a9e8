// The thread on which a large text is read by YAML's own parser.
import { type MessagePort, parentPort, workerData } from 'node:worker_threads'
import { standBack } from '../workers/background.js'
import { readWithLibrary } from './yaml-library.js'
import type { ThreadRead } from './yaml-on-thread.js'
import { piecesOf } from './yaml-pieces.js'

standBack()
const { text, name, port } = workerData as { text: string; name: string; port: MessagePort }
const { problems, found } = readWithLibrary(text, name)
if (found === undefined) {
  parentPort?.postMessage({ problems, found } satisfies ThreadRead)
} else {
  const { written, positions } = found
  const { root, pieces } = piecesOf(written)
  const lines = Int32Array.from(found.lines)
  // They wait on the port until they are asked for, one after the other.
  for (const piece of pieces) port.postMessage(piece)
  const arrays = [positions.keys, positions.values, positions.next, lines]
  parentPort?.postMessage(
    { problems, found: { root, positions, lines } } satisfies ThreadRead,
    arrays.map(({ buffer }) => buffer as ArrayBuffer)
  )
}
