import t from 'tap'
import { pack, pin, unpack } from '../../../core/workers/buffers.js'

/** What arrives on the other side. */
function cross(...values: unknown[]): unknown[] {
  const { transfer, ...packed } = pack(values)
  return unpack(structuredClone(packed, { transfer }))
}

t.test('what holds no bytes is left as it is', async (t) => {
  const values = [1, 'a', null, undefined, [1, [2]], { a: { b: 1 } }, new Map([[1, 2]]), new Date(0)]
  const packed = pack(values)
  values.forEach((value, at) => {
    t.equal(packed.values[at], value)
  })
  t.same(packed.transfer, [])
  t.same(cross(...values), values)
})

t.test('4 KiB is where moving begins', async (t) => {
  const [below, from] = [new Uint8Array(4095), new Uint8Array(4096)]
  t.same(pack([below, from]).transfer, [from.buffer])
})

t.test('Buffers are Buffers again: top level, in a list, in an object', async (t) => {
  const large = Buffer.alloc(5000, 1)
  const [top, list, object] = cross(Buffer.from('top'), [0, Buffer.from('list')], { body: large, n: 1 })
  t.ok(Buffer.isBuffer(top))
  t.equal(String(top), 'top')
  t.match(list, [0, Buffer.from('list')])
  t.ok(Buffer.isBuffer((list as unknown[])[1]))
  const { body, n } = object as { body: Buffer; n: number }
  t.equal(n, 1)
  t.ok(Buffer.isBuffer(body))
  t.equal(body.length, 5000)
  t.equal(large.length, 0)
})

t.test('the caller’s own lists and objects are not written into', async (t) => {
  const small = Buffer.from('x')
  const [list, object] = [[small], { small }]
  cross(list, object)
  t.equal(list[0], small)
  t.equal(object.small, small)
  t.equal(small.toString(), 'x')
})

t.test('the same memory twice is moved once', async (t) => {
  const bytes = new Uint8Array(8192).fill(3)
  const [one, other, start] = cross(bytes, { bytes }, bytes.subarray(0, 10)) as [
    Uint8Array,
    { bytes: Uint8Array },
    Uint8Array
  ]
  t.equal(one.buffer, other.bytes.buffer)
  t.equal(one.length, 8192)
  t.same(start, new Uint8Array(10).fill(3))
})

t.test('an object keeps a key of any name', async (t) => {
  const object = JSON.parse('{ "__proto__": 1, "constructor": 2 }')
  Object.defineProperty(object, '__proto__', { value: Buffer.from('x'), enumerable: true })
  const [crossed] = cross(object)
  t.equal(Object.getPrototypeOf(crossed), Object.prototype)
  t.same(Object.keys(crossed as object), ['__proto__', 'constructor'])
  t.ok(Buffer.isBuffer(Object.getOwnPropertyDescriptor(crossed, '__proto__')?.value))
})

t.test('an empty buffer, and shared memory', async (t) => {
  const [empty] = cross(Buffer.alloc(0))
  t.ok(Buffer.isBuffer(empty))
  const shared = new Uint8Array(new SharedArrayBuffer(8192))
  t.equal(pack([shared]).values[0], shared)
  t.same(pack([shared]).transfer, [])
})

t.test('pinned memory is copied, whichever view it is given by', async (t) => {
  const buffer = pin(Buffer.alloc(8192, 1))
  const memory = pin(new ArrayBuffer(8192))
  const crossed = cross(buffer, buffer.buffer, new Uint8Array(buffer.buffer), memory, [memory])
  t.equal(buffer[0], 1)
  t.equal(buffer.length, 8192)
  t.equal(memory.byteLength, 8192)
  t.ok((crossed[0] as Buffer).equals(buffer))
  t.equal((crossed[4] as ArrayBuffer[])[0]?.byteLength, 8192)
})

t.test('memory that Node will not move is copied', async (t) => {
  const { markAsUntransferable } = await import('node:worker_threads')
  const bytes = new Uint8Array(8192).fill(1)
  markAsUntransferable(bytes.buffer)
  const [crossed] = cross(bytes)
  t.same(crossed, new Uint8Array(8192).fill(1))
  t.equal(bytes.length, 8192)
})
