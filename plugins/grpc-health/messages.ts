// The few bytes of grpc.health.v1 (health.proto of the grpc-proto repository): one string is read, a map of enums is
// written. Names are read from whoever can reach the proxy, so the reader takes nothing on trust.

/** `HealthCheckResponse.ServingStatus`, less what Check never says. */
export const SERVING = 1
export const NOT_SERVING = 2
export type ServingStatus = typeof SERVING | typeof NOT_SERVING

/** gRPC's statuses that are answered with. */
export const OK = 0
export const NOT_FOUND = 5
export const UNIMPLEMENTED = 12
export const INTERNAL = 13

/** A call that cannot be read. Its message goes out as `grpc-message`: plain ASCII, and nothing of what came in. */
export class CallError extends Error {
  readonly status: number

  constructor(message: string, status = INTERNAL) {
    super(message)
    this.status = status
  }
}

/** Bytes of a message's prefix: whether it is compressed, and its length. */
const PREFIX = 5

/**
 * Takes the one message of a unary call out of its body.
 *
 * @throws CallError where it is not one whole message, and UNIMPLEMENTED where it is compressed
 */
export function messageOf(body: Buffer): Buffer {
  if (body.length < PREFIX) throw new CallError('the call holds no message')
  if (body[0] !== 0) throw new CallError('a compressed message is not read here', UNIMPLEMENTED)
  if (body.readUInt32BE(1) !== body.length - PREFIX)
    throw new CallError('the call does not hold one whole message')
  return body.subarray(PREFIX)
}

/** A message as a call's body holds it. */
export function framed(message: Buffer): Buffer {
  const prefix = Buffer.alloc(PREFIX)
  prefix.writeUInt32BE(message.length, 1)
  return Buffer.concat([prefix, message])
}

/**
 * The `service` of a HealthCheckRequest; empty where it names none.
 *
 * @throws CallError on what is no such message
 */
export function serviceIn(message: Buffer): string {
  const reader = new Reader(message)
  let service = ''
  while (!reader.ended) {
    const tag = reader.varint()
    if (tag === SERVICE) service = text(reader.bytes())
    else reader.skip(tag)
  }
  return service
}

/** Field 1, of a length. */
const SERVICE = 0x0a

/** @throws CallError on what is not UTF-8 */
function text(bytes: Buffer): string {
  const decoded = bytes.toString('utf8')
  if (decoded.includes('\ufffd') && !bytes.equals(Buffer.from(decoded)))
    throw new CallError('the name of the service is not UTF-8')
  return decoded
}

/** Protobuf's wire format, as far as unknown fields need it. */
class Reader {
  readonly #bytes: Buffer
  #at = 0

  constructor(bytes: Buffer) {
    this.#bytes = bytes
  }

  get ended(): boolean {
    return this.#at === this.#bytes.length
  }

  /** @throws CallError past 32 bits: neither tags nor lengths are larger */
  varint(): number {
    let value = 0
    for (let factor = 1; factor <= 2 ** 28; factor *= 128) {
      const byte = this.#bytes[this.#at++]
      if (byte === undefined) break
      value += (byte & 0x7f) * factor
      if (byte < 0x80) {
        if (value > 0xffff_ffff) break
        return value
      }
    }
    throw new CallError('the message is not protobuf')
  }

  bytes(): Buffer {
    const length = this.varint()
    const start = this.#at
    this.#advance(length)
    return this.#bytes.subarray(start, start + length)
  }

  skip(tag: number): void {
    // A field has a number.
    if (tag < 8) throw new CallError('the message is not protobuf')
    switch (tag & 7) {
      case 0:
        this.#skipVarint()
        return
      case 1:
        this.#advance(8)
        return
      case 2:
        this.bytes()
        return
      case 5:
        this.#advance(4)
        return
      default:
        throw new CallError('the message is not protobuf')
    }
  }

  /** A value has up to 64 bits, in ten bytes. */
  #skipVarint(): void {
    for (let i = 0; i < 10; i++) {
      const byte = this.#bytes[this.#at++]
      if (byte === undefined) break
      if (byte < 0x80) return
    }
    throw new CallError('the message is not protobuf')
  }

  #advance(length: number): void {
    if (length > this.#bytes.length - this.#at) throw new CallError('the message is not protobuf')
    this.#at += length
  }
}

/** A HealthCheckResponse. */
export function checkResponse(status: ServingStatus): Buffer {
  return Buffer.from([0x08, status])
}

/** A HealthListResponse. */
export function listResponse(statuses: Iterable<readonly [name: string, status: ServingStatus]>): Buffer {
  const entries: Buffer[] = []
  for (const [name, status] of statuses) {
    const entry = Buffer.concat([field(1, Buffer.from(name)), field(2, checkResponse(status))])
    entries.push(field(1, entry))
  }
  return Buffer.concat(entries)
}

function field(number: number, bytes: Buffer): Buffer {
  const head: number[] = [(number << 3) | 2]
  let { length } = bytes
  for (; length > 0x7f; length = Math.floor(length / 128)) head.push((length & 0x7f) | 0x80)
  head.push(length)
  return Buffer.concat([Buffer.from(head), bytes])
}
