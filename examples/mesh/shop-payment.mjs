// What a .proto would say of shop.Payment and its one method. The messages are JSON, which is all the same to gRPC.
const serialize = (message) => Buffer.from(JSON.stringify(message))
const deserialize = (bytes) => JSON.parse(bytes)

export const charge = {
  path: '/shop.Payment/Charge',
  requestStream: false,
  responseStream: false,
  requestSerialize: serialize,
  requestDeserialize: deserialize,
  responseSerialize: serialize,
  responseDeserialize: deserialize
}
