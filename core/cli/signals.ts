import { constants } from 'node:os'

export interface SignalHandlers {
  /** The first SIGTERM or SIGINT. */
  onStop(signal: NodeJS.Signals): void
  /** The second: everything is to end at once. @param exitCode 128 and the signal's number, as shells report it */
  onForce(exitCode: number): void
  onReload(): void
}

/** Only what is needed of `process`, so that a test can send signals to itself alone. */
export interface SignalSource {
  on(signal: NodeJS.Signals, listener: (signal: NodeJS.Signals) => void): unknown
  off(signal: NodeJS.Signals, listener: (signal: NodeJS.Signals) => void): unknown
}

/** @returns a function that stops listening */
export function listenForSignals(handlers: SignalHandlers, source: SignalSource = process): () => void {
  let stopped = false
  const onStop = (signal: NodeJS.Signals) => {
    if (stopped) return handlers.onForce(128 + constants.signals[signal])
    stopped = true
    handlers.onStop(signal)
  }
  const onReload = () => handlers.onReload()
  source.on('SIGTERM', onStop)
  source.on('SIGINT', onStop)
  source.on('SIGHUP', onReload)
  return () => {
    source.off('SIGTERM', onStop)
    source.off('SIGINT', onStop)
    source.off('SIGHUP', onReload)
  }
}
