import type { Worker } from 'node:cluster'

interface Handle {
  close(): void
}

/** ms after a process's end in which all that it had said is read. */
const READ = 100

/**
 * Ends connections that were on their way to a process that died. Node hands each over and waits for word that it has
 * been taken; of a process that dies before, it waits for good, and the client with it. They are closed and not given to
 * another process, since the dead one may have read of them. Nor does Node, while it waits, see that the process is no
 * more among those that listen; that is told to it here.
 *
 * Node tells nobody of these connections: what is seen here is how it talks to its processes, which no document holds.
 * Should it talk otherwise one day, there is nothing to see here, and what has been said above is so again.
 */
export function endInTransit(worker: Worker): void {
  const channel = worker.process
  const inTransit = new Map<unknown, Handle>()
  const send = channel.send.bind(channel) as (...args: unknown[]) => boolean
  channel.send = (...args: unknown[]) => {
    const [message, handle] = args as [{ act?: string; seq?: unknown } | null, Handle | undefined]
    if (message?.act === 'newconn' && typeof handle?.close === 'function') inTransit.set(message.seq, handle)
    return send(...args)
  }
  channel.on('internalMessage', (message: { ack?: unknown } | null) => {
    if (message?.ack !== undefined) inTransit.delete(message.ack)
  })
  let disconnected = false
  channel.once('disconnect', () => {
    disconnected = true
    for (const handle of inTransit.values()) handle.close()
    inTransit.clear()
  })
  channel.once('exit', () => {
    setTimeout(() => {
      if (!disconnected) channel.emit('disconnect')
    }, READ)
  })
}
