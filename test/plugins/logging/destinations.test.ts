import { execFileSync } from 'node:child_process'
import {
  closeSync,
  constants,
  existsSync,
  mkdirSync,
  openSync,
  readFileSync,
  readSync,
  renameSync,
  rmSync
} from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { thread } from '../../../plugins/logging/thread.js'
import { ended, eventually, Listing } from './fixtures/listing.js'

// Outages take seconds, and from source the thread is compiled as it starts.
t.setTimeout(120_000)

const keeper = new Listing({ destination: '/dev/null' })
t.teardown(() => keeper.close())

const FIELDS = ['requestId']
const line = (id: string) => `{"requestId":"${id}"}\n`

function write(listing: Listing, ...ids: string[]): void {
  for (const id of ids) listing.finish(...ended({ id }))
}

function makeFifo(t: Test): string {
  const fifo = join(t.testdir({}), 'fifo')
  execFileSync('mkfifo', [fifo])
  return fifo
}

/** A reader that never waits: what is in the FIFO now. */
class Reader {
  readonly #fd: number
  text = ''
  constructor(fifo: string) {
    this.#fd = openSync(fifo, constants.O_RDONLY | constants.O_NONBLOCK)
  }
  read(): string {
    const bytes = Buffer.alloc(65_536)
    try {
      for (let n = 1; n > 0; this.text += bytes.toString('utf8', 0, n)) n = readSync(this.#fd, bytes)
    } catch {
      // EAGAIN: empty.
    }
    return this.text
  }
  close(): void {
    closeSync(this.#fd)
  }
}

t.test('lines are written soon without a close', async (t) => {
  const directory = t.testdir({})
  const listing = new Listing({ destination: 'access.log', fields: FIELDS }, { directory })
  t.teardown(() => listing.close())
  write(listing, 'a', 'b')
  t.ok(await eventually(() => existsSync(join(directory, 'access.log'))))
  t.ok(await eventually(() => readFileSync(join(directory, 'access.log'), 'utf8') === line('a') + line('b')))
})

t.test('a file that is there is appended to', async (t) => {
  const directory = t.testdir({ 'access.log': 'before\n' })
  const listing = new Listing({ destination: 'access.log', fields: FIELDS }, { directory })
  write(listing, 'a')
  await listing.close()
  t.equal(readFileSync(join(directory, 'access.log'), 'utf8'), `before\n${line('a')}`)
})

t.test('two configurations that overlap write whole lines to one file', async (t) => {
  const directory = t.testdir({})
  const options = { destination: 'access.log', fields: [...FIELDS, 'userAgent'] }
  const before = new Listing(options, { directory })
  const after = new Listing(options, { directory })
  const headers = { 'user-agent': 'x'.repeat(2000) }
  for (let i = 0; i < 1000; i++) {
    before.finish(...ended({ id: `before-${i}`, headers }))
    after.finish(...ended({ id: `after-${i}`, headers }))
  }
  await Promise.all([before.close(), after.close()])
  const ids = readFileSync(join(directory, 'access.log'), 'utf8')
    .trimEnd()
    .split('\n')
    .map((text) => JSON.parse(text).requestId as string)
  t.equal(ids.length, 2000)
  t.equal(new Set(ids).size, 2000)
  t.equal(await before.dropped(), 0)
})

t.test('after a rotation a new configuration writes the new file', async (t) => {
  const directory = t.testdir({})
  const file = join(directory, 'access.log')
  const options = { destination: 'access.log', fields: FIELDS }
  const before = new Listing(options, { directory })
  write(before, 'a')
  t.ok(await eventually(() => existsSync(file)))
  renameSync(file, `${file}.1`)
  const after = new Listing(options, { directory })
  write(after, 'b')
  await Promise.all([before.close(), after.close()])
  t.equal(readFileSync(`${file}.1`, 'utf8'), line('a'))
  t.equal(readFileSync(file, 'utf8'), line('b'))
})

t.test('a rotation that nobody tells of is followed all the same', async (t) => {
  const directory = t.testdir({})
  const file = join(directory, 'access.log')
  const listing = new Listing({ destination: 'access.log', fields: FIELDS }, { directory })
  write(listing, 'a')
  t.ok(await eventually(() => existsSync(file)))
  renameSync(file, `${file}.1`)
  const followed = await eventually(() => {
    write(listing, 'b')
    return existsSync(file)
  })
  t.ok(followed)
  await listing.close()
  t.match(readFileSync(`${file}.1`, 'utf8'), line('a'))
  t.same(new Set(readFileSync(file, 'utf8').trimEnd().split('\n')), new Set([line('b').trimEnd()]))
  t.equal(await listing.dropped(), 0)
})

t.test('a full device costs lines and nothing else', async (t) => {
  const listing = new Listing({ destination: '/dev/full', fields: FIELDS })
  write(listing, ...Array.from({ length: 300 }, (_, i) => `id-${i}`))
  t.ok(await eventually(() => listing.told.length > 0))
  write(listing, 'one more')
  const start = performance.now()
  await listing.close()
  t.ok(performance.now() - start < 2000, 'closing is bounded')
  t.equal(await listing.dropped(), 301)
  t.same(
    listing.told.map(({ level, fields }) => [level, fields]),
    [
      ['warn', { destination: '/dev/full', reason: 'there is no space left on the device (ENOSPC)' }],
      ['warn', { destination: '/dev/full', dropped: 301 }]
    ],
    'it is said once when it starts, and once what it cost'
  )
})

t.test('a FIFO that nobody reads yet gets its lines once somebody does', async (t) => {
  const fifo = makeFifo(t)
  const listing = new Listing({ destination: fifo, fields: FIELDS })
  write(listing, 'a', 'b')
  t.ok(await eventually(() => listing.told.length > 0))
  t.match(listing.told, [{ level: 'warn', fields: { destination: fifo, reason: 'nobody reads it (ENXIO)' } }])
  const reader = new Reader(fifo)
  t.teardown(() => reader.close())
  t.ok(await eventually(() => reader.read() === line('a') + line('b')))
  t.ok(await eventually(() => listing.told.length === 2))
  t.match(listing.told[1], {
    level: 'info',
    fields: { dropped: 0 },
    message: 'the access log is written again'
  })
  write(listing, 'c')
  await listing.close()
  t.equal(reader.read(), line('a') + line('b') + line('c'))
  t.equal(await listing.dropped(), 0)
})

t.test('a reader that goes and comes back finds whole lines', async (t) => {
  const fifo = makeFifo(t)
  const first = new Reader(fifo)
  const listing = new Listing({ destination: fifo, fields: FIELDS })
  write(listing, 'a')
  t.ok(await eventually(() => first.read() === line('a')))
  first.close()
  write(listing, 'b')
  t.ok(await eventually(() => listing.told.length > 0))
  t.match(listing.told[0], { fields: { reason: 'its reader is gone (EPIPE)' } })
  const second = new Reader(fifo)
  t.teardown(() => second.close())
  t.ok(await eventually(() => second.read() === line('b')))
  await listing.close()
})

t.test('a reader that stalls costs what comes past the buffer, and is caught up with later', async (t) => {
  const fifo = makeFifo(t)
  const reader = new Reader(fifo)
  t.teardown(() => reader.close())
  const listing = new Listing({ destination: fifo, fields: ['requestId', 'userAgent'], buffer: '256KiB' })
  const headers = { 'user-agent': 'x'.repeat(1000) }
  let slowest = 0
  for (let i = 0; i < 2000; i++) {
    const start = performance.now()
    listing.finish(...ended({ id: `id-${i}`, headers }))
    slowest = Math.max(slowest, performance.now() - start)
  }
  t.ok(slowest < 500, `the slowest line took ${slowest} ms`)
  const dropped = await listing.dropped()
  t.ok(dropped > 1000 && dropped < 2000, `${dropped} of 2000 do not fit`)
  t.match(listing.told, [{ level: 'warn', fields: { reason: 'its destination is too slow' } }])

  const count = () => reader.read().split('\n').length - 1
  t.ok(await eventually(() => count() === 2000 - dropped))
  write(listing, 'after')
  t.ok(await eventually(() => count() === 2001 - dropped))
  await listing.close()
  const ids = reader.text
    .trimEnd()
    .split('\n')
    .map((text) => JSON.parse(text).requestId as string)
  t.same(ids.slice(0, 3), ['id-0', 'id-1', 'id-2'])
  t.equal(ids.at(-1), 'after')
  t.equal(await listing.dropped(), dropped)
})

t.test('closing does not wait for a reader that never comes', async (t) => {
  const fifo = makeFifo(t)
  const listing = new Listing({ destination: fifo, fields: FIELDS })
  write(listing, 'a', 'b')
  const start = performance.now()
  await listing.close()
  t.ok(performance.now() - start < 2000)
  t.equal(await listing.dropped(), 2)
  t.doesNotThrow(() => write(listing, 'late'))
  t.equal(await listing.dropped(), 3)
})

t.test('a folder that is taken away costs nothing when it comes back', async (t) => {
  const directory = t.testdir({ logs: {} })
  const file = join(directory, 'logs', 'access.log')
  const listing = new Listing({ destination: 'logs/access.log', fields: FIELDS }, { directory })
  write(listing, 'a')
  t.ok(await eventually(() => existsSync(file)))
  rmSync(join(directory, 'logs'), { recursive: true })
  let written = 0
  const noticed = await eventually(() => {
    write(listing, `b-${written++}`)
    return listing.told.length > 0
  })
  t.ok(noticed)
  t.match(listing.told[0], { level: 'warn', fields: { reason: 'its folder does not exist (ENOENT)' } })
  mkdirSync(join(directory, 'logs'))
  t.ok(await eventually(() => existsSync(file)))
  await listing.close()
  t.equal(await listing.dropped(), 0)
  t.ok(readFileSync(file, 'utf8').endsWith(line(`b-${written - 1}`)))
})

t.test('a thread that dies is replaced, and what it had is counted', async (t) => {
  const directory = t.testdir({})
  const file = join(directory, 'access.log')
  const fifo = join(directory, 'fifo')
  execFileSync('mkfifo', [fifo])
  const listing = new Listing({ destination: 'access.log', fields: FIELDS }, { directory })
  const stuck = new Listing({ destination: fifo, fields: FIELDS })
  write(listing, 'a')
  write(stuck, 'lost', 'lost')
  t.ok(await eventually(() => existsSync(file) && stuck.told.length > 0))
  thread.post(undefined as never)
  t.ok(await eventually(async () => (await stuck.dropped()) === 2))
  const written = await eventually(() => {
    write(listing, 'b')
    return readFileSync(file, 'utf8').includes(line('b'))
  })
  t.ok(written)
  await Promise.all([listing.close(), stuck.close()])
  t.ok(readFileSync(file, 'utf8').startsWith(line('a') + line('b')))
})
