/** An address is taken, a certificate cannot be read, a plugin's `setup` failed. `message` says what, where and what to do. */
export class StartError extends Error {
  constructor(message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause })
    this.name = 'StartError'
  }
}
