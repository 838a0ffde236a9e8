import t from 'tap'
import { type Exchange, Reply, type SetupContext } from '../../../core/index.js'
import { runPlugin } from '../../../core/testing/index.js'
import health from '../../../plugins/grpc-health/index.js'

/** Usable endpoints of each configured service. */
type Usable = Record<string, number>

interface Call {
  path?: string
  grpc?: boolean
  body?: Buffer
}

interface Ended {
  status: string | undefined
  message: string | undefined
  /** In hex; undefined where there is none. */
  answer: string | undefined
}

function listing(services: Record<string, string>, usable: Usable) {
  const config = health.config?.parse({ services })
  const serviceNamed = (name: string) =>
    Object.hasOwn(usable, name)
      ? { name, endpoints: [], usable: () => Array.from({ length: usable[name] as number }, () => ({})) }
      : undefined
  const context = { config, serviceNamed } as unknown as SetupContext<NonNullable<typeof config>>
  const hooks = health.setup(context) as { request(exchange: Exchange): Promise<Reply | undefined> }
  const request = ({ path = '/grpc.health.v1.Health/Check', grpc = true, body = framed('') }: Call = {}) =>
    hooks.request({
      grpc,
      request: { path, body: { bytes: async () => body } }
    } as unknown as Exchange)
  const ended = async (call?: Call): Promise<Ended> => {
    const reply = await request(call)
    if (!Reply.is(reply) || reply.trailers === undefined) throw new Error('it was not answered')
    if (reply.status !== 200 || reply.headers['content-type'] !== 'application/grpc')
      throw new Error('not gRPC')
    const { content, trailers } = reply
    const answer = content.length === 0 ? undefined : unframed(content)
    return { status: trailers['grpc-status'], message: trailers['grpc-message'], answer }
  }
  return { request, ended }
}

/** A call's body: one message, in hex. */
function framed(hex: string, flag = 0): Buffer {
  const message = Buffer.from(hex, 'hex')
  const head = Buffer.from([flag, 0, 0, message.length >> 8, message.length & 0xff])
  return Buffer.concat([head, message])
}

function unframed(body: Buffer): string {
  t.equal(body.readUInt32BE(1), body.length - 5, 'one whole message')
  t.equal(body[0], 0)
  return body.toString('hex', 5)
}

/** A HealthCheckRequest of this service. */
function asking(name: string): Buffer {
  const bytes = Buffer.from(name)
  const length = bytes.length < 128 ? [bytes.length] : [(bytes.length & 0x7f) | 0x80, bytes.length >> 7]
  return framed(Buffer.concat([Buffer.from([0x0a, ...length]), bytes]).toString('hex'))
}

const SERVING = '0801'
const NOT_SERVING = '0802'

t.test('a service is up while it has a usable endpoint', async (t) => {
  const usable: Usable = { orders: 2, stock: 0 }
  const { ended } = listing({ 'shop.Orders': 'orders', 'shop.Stock': 'stock' }, usable)
  const answer = (answer: string) => ({ status: '0', message: undefined, answer })
  t.same(await ended({ body: asking('shop.Orders') }), answer(SERVING))
  t.same(await ended({ body: asking('shop.Stock') }), answer(NOT_SERVING))
  usable.orders = 0
  usable.stock = 1
  t.same(await ended({ body: asking('shop.Orders') }), answer(NOT_SERVING), 'as it is now')
  t.same(await ended({ body: asking('shop.Stock') }), answer(SERVING))
})

t.test('asked for no service, it answers for the sidecar, or for the one it is told', async (t) => {
  const plain = listing({ 'shop.Orders': 'orders' }, { orders: 0 })
  t.match(await plain.ended({ body: framed('') }), { status: '0', answer: SERVING })
  t.match(await plain.ended({ body: asking('') }), { status: '0', answer: SERVING })
  const mapped = listing({ '': 'orders' }, { orders: 0 })
  t.match(await mapped.ended({ body: framed('') }), { status: '0', answer: NOT_SERVING })
})

t.test('a service that nobody configured is not found', async (t) => {
  const { ended } = listing({ 'shop.Orders': 'orders' }, { orders: 1 })
  for (const name of ['shop.Stock', 'orders', 'shop.orders', '__proto__', 'x'.repeat(3000)]) {
    t.same(await ended({ body: asking(name) }), {
      status: '5',
      message: 'no such service',
      answer: undefined
    })
  }
})

t.test('List tells them all', async (t) => {
  const path = '/grpc.health.v1.Health/List'
  const { ended } = listing({ 'shop.Orders': 'orders', ['s'.repeat(200)]: 'stock' }, { orders: 1, stock: 0 })
  const name = (text: string) => Buffer.from(text).toString('hex')
  t.same(await ended({ path }), {
    status: '0',
    message: undefined,
    answer:
      `0a06${'0a00'}1202${SERVING}` +
      `0a11${`0a0b${name('shop.Orders')}`}1202${SERVING}` +
      `0acf01${`0ac801${name('s'.repeat(200))}`}1202${NOT_SERVING}`
  })
  t.match(await listing({}, {}).ended({ path }), { answer: `0a06${'0a00'}1202${SERVING}` })
  t.match(await listing({ '': 'orders' }, { orders: 0 }).ended({ path }), {
    answer: `0a06${'0a00'}1202${NOT_SERVING}`
  })
})

t.test('Watch and what else there may be are unimplemented', async (t) => {
  const { ended } = listing({}, {})
  for (const method of ['Watch', '', 'check', 'Check/', 'Lists']) {
    t.match(await ended({ path: `/grpc.health.v1.Health/${method}` }), {
      status: '12',
      message: 'no such method',
      answer: undefined
    })
  }
})

t.test("what is no call of its own is the route's to answer", async (t) => {
  const { request } = listing({}, {})
  t.equal(await request({ grpc: false }), undefined)
  t.equal(await request({ path: '/grpc.health.v1.Healthy/Check' }), undefined)
  t.equal(await request({ path: '/' }), undefined)
})

t.test('fields that it does not know are passed over, the last name holds', async (t) => {
  const { ended } = listing({ b: 'orders' }, { orders: 1 })
  for (const [what, hex] of [
    ['the name', '0a0162'],
    ['a name before', '0a01610a0162'],
    ['a number', '100a0a0162'],
    ['a number of ten bytes', '10ffffffffffffffffff010a0162'],
    ['64 bits', '1900000000000000000a0162'],
    ['bytes', '2203aabbcc0a0162'],
    ['32 bits behind it', '0a01622d00000000'],
    ['a high field', 'faffffff0f000a0162'],
    ['the length in more bytes than it takes', '0a810062']
  ] as const) {
    t.match(await ended({ body: framed(hex) }), { status: '0', answer: SERVING }, what)
  }
})

t.test('a call that cannot be read is INTERNAL, and says nothing of what was in it', async (t) => {
  const { ended } = listing({}, {})
  for (const [what, body] of [
    ['no message', Buffer.alloc(0)],
    ['half a prefix', Buffer.from([0, 0, 0])],
    ['less than its length', framed('0a0162').subarray(0, 7)],
    ['two messages', Buffer.concat([framed(''), framed('')])],
    ['a length past the message', framed('0a05')],
    ['a huge length', framed('0affffffff0f')],
    ['a length past 32 bits', framed('0affffffff7f')],
    ['a varint without an end', framed('0a80')],
    ['a value without an end', framed('10ffffffffffffffffffffffff01')],
    ['a tag without a value', framed('10')],
    ['32 bits cut short', framed('2d0000')],
    ['a group', framed('0b0c')],
    ['field 0', framed('0000')],
    ['field 0 with bytes', framed('0200')],
    ['a name that is not UTF-8', framed('0a02fffe')]
  ] as const) {
    const { status, message, answer } = await ended({ body })
    t.same([status, answer], ['13', undefined], what)
    t.match(message, /^[a-zA-Z0-9 -]+$/, what)
  }
  t.match(await ended({ body: framed('0a0162', 1) }), { status: '12', message: /compressed/ })
})

t.test('a replacement character is a character', async (t) => {
  const { ended } = listing({ '\ufffd': 'orders' }, { orders: 1 })
  t.match(await ended({ body: asking('\ufffd') }), { status: '0', answer: SERVING })
})

t.test('the configuration', async (t) => {
  t.throws(() => runPlugin(health, { services: { 'shop.Orders': 'ordres' } }), {
    message: /grpc-health.services.shop.Orders: there is no service "ordres"/
  })
  t.same(health.config?.parse({}), { services: {} })
  for (const wrong of [
    { services: { a: '' } },
    { services: { a: 1 } },
    { service: {} },
    { services: ['a'] }
  ]) {
    t.equal(health.config?.safeParse(wrong).success, false, JSON.stringify(wrong))
  }
  const services = Object.fromEntries(Array.from({ length: 100 }, (_, i) => [`s${i}`, 'orders']))
  t.match(health.config?.safeParse({ services }).error?.issues, [{ message: /fewer than 100/ }])
  t.same(health.places, ['route'])
})
