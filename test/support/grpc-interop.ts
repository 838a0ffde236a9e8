// The cases of gRPC's interoperability tests (doc/interop-test-descriptions.md of the grpc repository) that do not ask for
// Google's own servers, between whatever client and server they are given: directly, or with a proxy in between.
import { status } from '@grpc/grpc-js'
import type { Test } from 'tap'
import type { Message } from './grpc.js'
import type { Ended, GrpcClient } from './grpc-client.js'
import type { GrpcServer } from './grpc-server.js'

const SIZES = [
  [27_182, 31_415],
  [8, 9],
  [1_828, 2_653],
  [45_904, 58_979]
] as const

const SPECIAL = '\t\ntest with whitespace\r\nand Unicode BMP ☺ and non-BMP 😈\t\n'

const sizes = (messages: Message[]) => messages.map(({ payload }) => payload?.length)
const zeros = (size: number): Message => ({ payload: Buffer.alloc(size) })

function isOk(t: Test, { code, details }: Ended): void {
  t.equal(code, status.OK, details)
}

export interface Peers {
  client: GrpcClient
  server: GrpcServer
}

export async function interop(t: Test, peers: Peers): Promise<void> {
  const { client, server } = peers

  await t.test('empty_unary', async (t) => {
    const ended = await client.unary('EmptyCall', {})
    isOk(t, ended)
    t.same(ended.messages, [{}])
  })

  await t.test('large_unary', async (t) => {
    const ended = await client.unary('UnaryCall', { ...zeros(271_828), responseSize: 314_159 })
    isOk(t, ended)
    t.same(sizes(ended.messages), [314_159])
    t.ok(
      ended.messages[0]?.payload?.every((byte) => byte === 0),
      'byte for byte'
    )
  })

  await t.test('client_streaming', async (t) => {
    const { call, ended } = client.input()
    for (const [size] of SIZES) call.write(zeros(size))
    call.end()
    const end = await ended
    isOk(t, end)
    t.same(end.messages, [{ total: 74_922 }])
  })

  await t.test('server_streaming', async (t) => {
    const { ended } = client.output({ responses: SIZES.map(([, size]) => ({ size })) })
    const end = await ended
    isOk(t, end)
    t.same(sizes(end.messages), [31_415, 9, 2_653, 58_979])
  })

  await t.test('ping_pong', async (t) => {
    const { call, ended, next } = client.duplex()
    for (const [size, answer] of SIZES) {
      call.write({ ...zeros(size), responses: [{ size: answer }] })
      t.equal((await next())?.payload?.length, answer)
    }
    call.end()
    const end = await ended
    isOk(t, end)
    t.equal(end.messages.length, 4)
  })

  await t.test('empty_stream', async (t) => {
    const { call, ended } = client.duplex()
    call.end()
    const end = await ended
    isOk(t, end)
    t.same(end.messages, [])
  })

  await t.test('cancel_after_begin', async (t) => {
    const { call, ended } = client.input()
    call.cancel()
    t.equal((await ended).code, status.CANCELLED)
  })

  await t.test(
    'a call that is cancelled in the middle of its upload is cancelled at the server',
    async (t) => {
      const { cancelled, received } = server
      const { call, ended } = client.input()
      call.write(zeros(1_000))
      await server.until((it) => it.received >= received + 1_000, 'the first message')
      call.cancel()
      t.equal((await ended).code, status.CANCELLED)
      await server.until((it) => it.cancelled === cancelled + 1, 'the cancellation')
    }
  )

  await t.test('cancel_after_first_response', async (t) => {
    const { cancelled } = server
    const { call, ended, next } = client.duplex()
    call.write({ ...zeros(27_182), responses: [{ size: 31_415 }] })
    t.equal((await next())?.payload?.length, 31_415)
    call.cancel()
    t.equal((await ended).code, status.CANCELLED)
    await server.until((it) => it.cancelled === cancelled + 1, 'the cancellation')
  })

  await t.test('timeout_on_sleeping_server', async (t) => {
    const { call, ended } = client.duplex({ timeout: 1 })
    call.write(zeros(27_182))
    t.equal((await ended).code, status.DEADLINE_EXCEEDED)
  })

  await t.test('a deadline that passes while the server sleeps ends the call at the server', async (t) => {
    const { cancelled } = server
    const { ended } = client.output({ responses: [{ size: 10, pause: 60_000 }] }, { timeout: 300 })
    t.equal((await ended).code, status.DEADLINE_EXCEEDED)
    await server.until((it) => it.cancelled === cancelled + 1, 'the cancellation')
  })

  await t.test('custom_metadata', async (t) => {
    const bytes = Buffer.from([0xab, 0xab, 0xab])
    const metadata = {
      'x-grpc-test-echo-initial': 'test_initial_metadata_value',
      'x-grpc-test-echo-trailing-bin': bytes
    }
    const check = (end: Ended, how: string) => {
      isOk(t, end)
      t.same(end.initial.get('x-grpc-test-echo-initial'), ['test_initial_metadata_value'], `${how}: initial`)
      t.same(end.trailing.get('x-grpc-test-echo-trailing-bin'), [bytes], `${how}: trailing`)
    }
    const unary = await client.unary('UnaryCall', { ...zeros(271_828), responseSize: 314_159 }, { metadata })
    check(unary, 'unary')
    const { call, ended, next } = client.duplex({ metadata })
    call.write({ ...zeros(271_828), responses: [{ size: 314_159 }] })
    t.equal((await next())?.payload?.length, 314_159)
    call.end()
    check(await ended, 'streamed')
  })

  await t.test('repeated and large metadata', async (t) => {
    const bytes = Buffer.from(Array.from({ length: 4_096 }, (_, i) => i & 0xff))
    const metadata = {
      'x-grpc-test-echo-initial': ['one', 'two', 'one'],
      'x-grpc-test-echo-trailing-bin': bytes
    }
    const end = await client.unary('EmptyCall', {}, { metadata })
    isOk(t, end)
    // What is repeated may arrive as one field, its values joined (RFC 9110 section 5.3).
    t.equal(end.initial.get('x-grpc-test-echo-initial').join(', '), 'one, two, one')
    t.same(end.trailing.get('x-grpc-test-echo-trailing-bin'), [bytes])
  })

  await t.test('status_code_and_message', async (t) => {
    const message = { status: { code: status.UNKNOWN, message: 'test status message' } }
    const expected = { code: status.UNKNOWN, details: 'test status message' }
    t.match(await client.unary('UnaryCall', message), expected, 'unary')
    const { call, ended } = client.duplex()
    call.write(message)
    call.end()
    t.match(await ended, expected, 'streamed')
  })

  await t.test('special_status_message', async (t) => {
    const ended = await client.unary('UnaryCall', { status: { code: status.UNKNOWN, message: SPECIAL } })
    t.equal(ended.code, status.UNKNOWN)
    t.equal(ended.details, SPECIAL)
  })

  await t.test('each status arrives as itself', async (t) => {
    for (let code = 1; code <= 16; code++) {
      const { code: came } = await client.unary('UnaryCall', { status: { code, message: 'x' } })
      t.equal(came, code, String(status[code]))
    }
  })

  await t.test('status details', async (t) => {
    const details = Buffer.from([0x08, 0x05, 0xff, 0x00, 0x0d, 0x0a])
    const metadata = { 'x-grpc-test-echo-trailing-bin': details }
    const ended = await client.unary('UnaryCall', { status: { code: 9, message: 'x' } }, { metadata })
    t.equal(ended.code, status.FAILED_PRECONDITION)
    t.same(ended.trailing.get('x-grpc-test-echo-trailing-bin'), [details])
  })

  await t.test('unimplemented_method', async (t) => {
    t.match(await client.unary('UnimplementedCall', {}), { code: status.UNIMPLEMENTED })
  })

  await t.test('unimplemented_service', async (t) => {
    const path = '/grpc.testing.UnimplementedService/UnimplementedCall'
    t.match(await client.unary(path, {}), { code: status.UNIMPLEMENTED })
  })

  await t.test('a server that ends the call while its client still sends', async (t) => {
    server.refusals.push({ code: status.RESOURCE_EXHAUSTED, details: 'enough' })
    const { call, ended } = client.input()
    call.write(zeros(1_000))
    t.match(await ended, { code: status.RESOURCE_EXHAUSTED, details: 'enough' })
    const second = client.duplex()
    second.call.write({ status: { code: status.ABORTED, message: 'no more' } })
    t.match(await second.ended, { code: status.ABORTED, details: 'no more' })
    isOk(t, await client.unary('EmptyCall', {}))
  })

  await t.test('compressed messages', async (t) => {
    const end = await client.compressing(t).unary('UnaryCall', { ...zeros(271_828), responseSize: 100_000 })
    isOk(t, end)
    t.same(sizes(end.messages), [100_000])
  })

  await t.test('three hundred calls at once on one connection', async (t) => {
    const calls = Array.from({ length: 300 }, (_, i) => client.unary('UnaryCall', { responseSize: i }))
    const ends = await Promise.all(calls)
    t.same(
      ends.map(({ code, messages }) => [code, ...sizes(messages)]),
      ends.map((_, i) => [status.OK, i])
    )
  })

  await t.test('a slow reader loses nothing', async (t) => {
    const responses = Array.from({ length: 64 }, () => ({ size: 64 * 1024 }))
    const { call, ended } = client.output({ responses })
    call.pause()
    await client.unary('EmptyCall', {})
    call.resume()
    const end = await ended
    isOk(t, end)
    t.equal(end.messages.length, 64)
    t.ok(end.messages.every(({ payload }) => payload?.length === 64 * 1024))
  })
}
