import { bytesOf } from '../hooks/message.js'
import type { UpgradedConnection } from '../hooks/types.js'
import { maySend } from './framing.js'
import type { Side } from './upgraded.js'

/** What a plugin asks of a connection. Once it has ended these do nothing. */
export interface ConnectionOwner {
  sendOwn(to: Side, data: Buffer, binary: boolean): void
  closeOwn(code: number, reason: string): void
}

/** Of a close frame's 125 bytes two are the code. */
const MAX_REASON = 123

/** The connection in the plugins' hands. */
export class ConnectionView implements UpgradedConnection {
  readonly protocol: string
  readonly #owner: ConnectionOwner

  constructor(protocol: string, owner: ConnectionOwner) {
    this.protocol = protocol
    this.#owner = owner
  }

  /** @throws TypeError on what is no side or no message */
  send(to: Side, data: string | Uint8Array): void {
    if (to !== 'client' && to !== 'upstream')
      throw new TypeError(`a message goes to 'client' or 'upstream', not ${JSON.stringify(to)}`)
    this.#owner.sendOwn(to, bytesOf(data), typeof data !== 'string')
  }

  /** @throws RangeError on a code no endpoint may send, and on a reason of more than 123 bytes */
  close(code = 1000, reason = ''): void {
    if (!maySend(code)) {
      throw new RangeError(`a close code is 1000 to 1014 but for 1004 to 1006, or 3000 to 4999, not ${code}`)
    }
    const length = Buffer.byteLength(reason)
    if (length > MAX_REASON)
      throw new RangeError(`a close reason has at most ${MAX_REASON} bytes, not ${length}`)
    this.#owner.closeOwn(code, reason)
  }
}
