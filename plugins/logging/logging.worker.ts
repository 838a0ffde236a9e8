import { parentPort, workerData } from 'node:worker_threads'
import type { Ready, Report, Request, ThreadData } from './protocol.js'
import { Sink } from './sink.js'

/** The thread that writes every access log of the process. */
const sinks = new Map<number, Sink>()

function report(message: Report): void {
  if (message.kind === 'closed') sinks.delete(message.id)
  parentPort?.postMessage(message)
}

parentPort?.on('message', (request: Request) => {
  switch (request.kind) {
    case 'open':
      sinks.set(request.id, new Sink(request.id, request.destination, request.settled, report))
      break
    case 'batch':
      sinks.get(request.id)?.add(request.batch)
      break
    case 'close':
      sinks.get(request.id)?.close(request.within)
      break
  }
})

const ready: Ready = { kind: 'ready' }
parentPort?.postMessage(ready)
const flag = new Int32Array((workerData as ThreadData).ready)
Atomics.store(flag, 0, 1)
Atomics.notify(flag, 0)
