import { type ErrorCode, ProxyError } from '../errors.js'
import type { BufferPlace } from './buffers.js'

/** What every thread of a pool is given when it starts. */
export interface ThreadData {
  /** Specifier to file: URL, for the loader of authors' files. */
  readonly modules: Readonly<Record<string, string>>
  /**
   * One number a slot: the call whose function has begun there, or minus the call whose function is not to be begun,
   * as its caller is gone. Shared, so that neither costs a message.
   */
  readonly begun: Int32Array
}

/** One call, on its way to a thread. */
export interface CallMessage {
  readonly id: number
  /** Which cell of `begun` is its own. */
  readonly slot: number
  readonly file: string
  /** Of the binding: a thread that sees a new one reads anew what has changed in the file and in what it imports. */
  readonly edition: number
  readonly exportName: string
  readonly args: unknown[]
  readonly buffers: readonly BufferPlace[]
}

/** What came of it. A function that throws is an answer too: only a thread that breaks rejects. */
export type Answer =
  | { readonly ok: true; readonly values: unknown[]; readonly buffers: readonly BufferPlace[] }
  | { readonly ok: false; readonly failure: Failure }

/** An error in a form that crosses threads whole; structured cloning drops names and codes. */
export interface Failure {
  readonly name: string
  readonly message: string
  readonly stack: string | undefined
  readonly code: string | number | undefined
  readonly proxy:
    | { readonly code: ErrorCode; readonly status: number; readonly headers?: Record<string, string> }
    | undefined
  readonly cause: Failure | undefined
}

/** Sent by a thread about an error that belongs to no call under way. */
export interface StrayMessage {
  readonly stray: Failure
}

export function isStray(message: unknown): message is StrayMessage {
  return typeof message === 'object' && message !== null && 'stray' in message
}

/** How errors name a call: its export and its file. */
export function labelOf({
  exportName,
  file
}: {
  readonly exportName: string
  readonly file: string
}): string {
  return `${exportName} (${file})`
}

/** Of anything that can be thrown. */
export function describe(thrown: unknown): Failure {
  if (!(thrown instanceof Error)) {
    return { ...NOTHING, name: 'Error', message: textOf(thrown) }
  }
  const { code } = thrown as { code?: unknown }
  return {
    name: String(thrown.name),
    message: String(thrown.message),
    stack: typeof thrown.stack === 'string' ? thrown.stack : undefined,
    code: typeof code === 'string' || typeof code === 'number' ? code : undefined,
    proxy: ProxyError.is(thrown)
      ? {
          code: thrown.code,
          status: thrown.status,
          ...(thrown.headers && { headers: { ...thrown.headers } })
        }
      : undefined,
    // One level: causes can form a ring.
    cause:
      thrown.cause === undefined ? undefined : { ...NOTHING, name: 'Error', message: textOf(thrown.cause) }
  }
}

const NOTHING = { stack: undefined, code: undefined, proxy: undefined, cause: undefined }

function textOf(thrown: unknown): string {
  try {
    return String(thrown)
  } catch {
    return `a thrown ${typeof thrown} that has no text`
  }
}

/** The error again, in the thread that called. A ProxyError comes back as one, with its code. */
export function restore({ name, message, stack, code, proxy, cause }: Failure): Error {
  const options = cause === undefined ? {} : { cause: restore(cause) }
  const error = proxy
    ? new ProxyError(proxy.code, message, { ...proxy, ...options })
    : new Error(message, options)
  if (!proxy) error.name = name
  if (stack !== undefined) error.stack = stack
  if (!proxy && code !== undefined) Object.assign(error, { code })
  return error
}
