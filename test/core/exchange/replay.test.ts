// What is kept of an upload, for a retry and for two attempts at once.
import { Readable } from 'node:stream'
import t from 'tap'
import { RequestBody } from '../../../core/exchange/request-body.js'
import { Deadlines } from '../../../core/hooks/deadlines.js'
import { settle, VirtualClock } from '../../../core/testing/virtual-clock.js'

function bodyOf(...chunks: string[]): RequestBody {
  const options = {
    deadlines: new Deadlines(new VirtualClock()),
    pauseLimit: 60_000,
    wanted() {},
    excused: () => false,
    awaiting() {},
    broken(error: Error) {
      throw error
    }
  }
  return new RequestBody(Readable.from(chunks.map((chunk) => Buffer.from(chunk))), undefined, options)
}

async function read(stream: Readable): Promise<string> {
  const chunks: Buffer[] = []
  for await (const chunk of stream) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks).toString()
}

t.test('a second attempt beside the first gets all of it, and the first loses nothing', async (t) => {
  const body = bodyOf('ab', 'cd', 'ef')
  const first = body.open() as Readable
  // It has room for all of it, and its attempt has read none.
  first.read(0)
  for (let i = 0; i < 20 && !body.complete; i++) await settle()
  t.equal(body.complete, true)
  t.equal(String(body.open()), 'abcdef')
  t.equal(first.destroyed, false)
  t.equal(await read(first), 'abcdef')
  t.equal(String(body.open()), 'abcdef')
  t.equal(String(body.held), 'abcdef')
})

t.test('a second attempt in place of the first has it from its first byte', async (t) => {
  const body = bodyOf('ab', 'cd')
  const first = body.open() as Readable
  first.read(0)
  await settle()
  body.detach()
  t.equal(first.destroyed, true)
  const second = body.open()
  t.equal(second instanceof Readable ? await read(second) : String(second), 'abcd')
})
