// The two messages of grpc.health.v1 (health.proto of the grpc-proto repository) and gRPC's framing of them: a byte that says
// whether it is compressed, four of its length, and the message.

const PREFIX = 5
/** Field 1, of a length: `HealthCheckRequest.service`. */
const SERVICE = 0x0a
/** Field 1, a varint: `HealthCheckResponse.status`. */
const STATUS = 0x08

const STATUSES = ['UNKNOWN', 'SERVING', 'NOT_SERVING', 'SERVICE_UNKNOWN'] as const

/** `HealthCheckResponse.ServingStatus`. */
type ServingStatus = (typeof STATUSES)[number]

/** A HealthCheckRequest as the body of a call. @param service empty: the server as a whole, which is the field left out */
export function checkRequest(service: string): Buffer {
  const name = Buffer.from(service)
  const message =
    name.length === 0 ? name : Buffer.concat([Buffer.from([SERVICE, ...varintOf(name.length)]), name])
  const prefix = Buffer.alloc(PREFIX)
  prefix.writeUInt32BE(message.length, 1)
  return Buffer.concat([prefix, message])
}

/**
 * Reads the HealthCheckResponse out of a call's body. An empty message is UNKNOWN, as protobuf leaves out what is 0.
 *
 * @returns undefined where it is not one whole, plain message of this kind
 */
export function servingStatusIn(body: Buffer): ServingStatus | undefined {
  if (body.length < PREFIX || body[0] !== 0 || body.readUInt32BE(1) !== body.length - PREFIX) return undefined
  let status = 0
  let at = PREFIX
  while (at < body.length) {
    const tag = varintAt(body, at)
    if (tag === undefined) return undefined
    const value = tag.value === STATUS ? varintAt(body, tag.end) : undefined
    const end = value === undefined ? endOfField(body, tag.end, tag.value & 7) : value.end
    if (end === undefined || end > body.length) return undefined
    if (value !== undefined) status = value.value
    at = end
  }
  return STATUSES[status]
}

function varintOf(value: number): number[] {
  const bytes: number[] = []
  let left = value
  for (; left > 0x7f; left = Math.floor(left / 128)) bytes.push((left & 0x7f) | 0x80)
  return [...bytes, left]
}

/** A value has up to ten bytes; past 2^53 it is not exact, and is no status either. */
function varintAt(bytes: Buffer, start: number): { value: number; end: number } | undefined {
  let value = 0
  for (let i = 0; i < 10; i++) {
    const byte = bytes[start + i]
    if (byte === undefined) return undefined
    value += (byte & 0x7f) * 128 ** i
    if (byte < 0x80) return { value, end: start + i + 1 }
  }
  return undefined
}

/** Where a field that is not known ends, by its wire type. */
function endOfField(bytes: Buffer, start: number, type: number): number | undefined {
  if (type === 1) return start + 8
  if (type === 5) return start + 4
  const number = type === 0 || type === 2 ? varintAt(bytes, start) : undefined
  if (number === undefined || type === 0) return number?.end
  return number.end + number.value
}
