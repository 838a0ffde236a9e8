import t from 'tap'
import { FrameTracker } from '../../../core/upgrade/frame-tracker.js'

/** A frame's bytes. `stated` gives its length in more bits than it needs. */
function frame(opcode: number, size: number, masked: boolean, stated: 7 | 16 | 64 = 7, fin = true): Buffer {
  const mask = masked ? 0x80 : 0
  const first = (fin ? 0x80 : 0) | opcode
  let header: Buffer
  if (stated === 7) header = Buffer.of(first, mask | size)
  else if (stated === 16) header = Buffer.of(first, mask | 126, size >> 8, size & 0xff)
  else {
    header = Buffer.alloc(10)
    header[0] = first
    header[1] = mask | 127
    header.writeBigUInt64BE(BigInt(size), 2)
  }
  return Buffer.concat([header, masked ? Buffer.of(1, 2, 3, 4) : Buffer.alloc(0), Buffer.alloc(size, 0x81)])
}

for (const masked of [true, false]) {
  const all: [string, Buffer][] = [
    ['empty', frame(1, 0, masked)],
    ['7 bits', frame(2, 125, masked)],
    ['16 bits', frame(1, 126, masked, 16)],
    ['16 bits, longest', frame(2, 65_535, masked, 16)],
    ['64 bits', frame(2, 65_536, masked, 64)],
    ['a short one in 64 bits', frame(2, 3, masked, 64)],
    ['none in 16 bits', frame(2, 0, masked, 16)],
    ['a ping', frame(9, 10, masked)],
    ['a fragment', frame(1, 300, masked, 16, false)],
    ['compressed', frame(1 | 0x40, 30, masked)]
  ]
  for (const [name, bytes] of all) {
    t.test(
      `${masked ? 'masked' : 'unmasked'}: ${name}, whole, byte by byte and split anywhere`,
      async (t) => {
        const whole = new FrameTracker(masked)
        t.equal(whole.scan(bytes), bytes.length)
        t.ok(whole.atBoundary)
        const single = new FrameTracker(masked)
        let early = 0
        for (let at = 0; at < bytes.length; at++) {
          if (at > 0 && single.atBoundary) early++
          single.scan(bytes.subarray(at, at + 1))
        }
        t.equal(early, 0, 'no boundary within')
        t.ok(single.atBoundary)
        for (const at of [1, 2, 3, 4, 9, 10, 13, 14, 15]) {
          if (at >= bytes.length) continue
          const split = new FrameTracker(masked)
          split.scan(bytes.subarray(0, at))
          t.notOk(split.atBoundary, `after ${at}`)
          const rest = Buffer.concat([bytes.subarray(at), frame(1, 5, masked)])
          t.equal(split.scan(rest, true), bytes.length - at, 'stops at the end of the frame')
          t.ok(split.atBoundary)
        }
      }
    )
  }
}

t.test('several frames in one piece', async (t) => {
  const tracker = new FrameTracker(false)
  const bytes = Buffer.concat([frame(1, 5, false), frame(2, 200, false, 16), frame(1, 0, false)])
  t.equal(tracker.scan(bytes, true), 7)
  t.equal(tracker.scan(bytes.subarray(7)), bytes.length - 7)
  t.ok(tracker.atBoundary)
  t.notOk(tracker.closed)
})

t.test('a close frame is noticed with its first byte', async (t) => {
  const tracker = new FrameTracker(true)
  tracker.scan(frame(8, 2, true).subarray(0, 1))
  t.ok(tracker.closed)
  t.notOk(tracker.broken)
})

t.test('what is no frame breaks it, for good', async (t) => {
  const wrong: Record<string, Buffer> = {
    'a reserved opcode': Buffer.of(0x83, 0x00),
    'a reserved control opcode': Buffer.of(0x8b, 0x00),
    'a mask where there is none': Buffer.of(0x81, 0x85),
    'a long ping': Buffer.of(0x89, 126, 0, 200),
    'a fragmented ping': Buffer.of(0x09, 1),
    'a length past 2^53': Buffer.of(0x82, 127, 0xff, 0, 0, 0, 0, 0, 0, 1)
  }
  for (const [name, bytes] of Object.entries(wrong)) {
    const tracker = new FrameTracker(false)
    tracker.scan(bytes)
    t.ok(tracker.broken, name)
    tracker.scan(frame(1, 5, false))
    t.ok(tracker.broken, name)
    t.notOk(tracker.atBoundary, name)
  }
  const unmasked = new FrameTracker(true)
  unmasked.scan(frame(1, 5, false))
  t.ok(unmasked.broken, 'no mask where there is one')
})
