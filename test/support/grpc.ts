// Messages of the test service of gRPC's interoperability tests (grpc.testing.TestService): JSON where the service's own
// are protobuf, since of what is in a message no proxy knows.

export interface Message {
  payload?: Buffer
  /** Bytes that the answer's payload is to have. */
  responseSize?: number
  /** One answer each. `pause`: ms before it. */
  responses?: { size: number; pause?: number }[]
  /** What the call is to end with. */
  status?: { code: number; message: string }
  /** Bytes of all payloads. */
  total?: number
}

/** An empty message takes no bytes, as in protobuf. */
export function serialize({ payload, ...rest }: Message): Buffer {
  if (payload === undefined && Object.keys(rest).length === 0) return Buffer.alloc(0)
  return Buffer.from(JSON.stringify({ ...rest, payload: payload?.toString('base64') }))
}

export function deserialize(bytes: Buffer): Message {
  if (bytes.length === 0) return {}
  const { payload, ...rest } = JSON.parse(bytes.toString())
  return payload === undefined ? rest : { ...rest, payload: Buffer.from(payload, 'base64') }
}

/** What the path of each method begins with. */
export const SERVICE = '/grpc.testing.TestService/'
