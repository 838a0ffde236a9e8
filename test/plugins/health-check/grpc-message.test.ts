import t from 'tap'
import { checkRequest, servingStatusIn } from '../../../plugins/health-check/grpc-message.js'

t.test('a request, as its bytes', async (t) => {
  t.equal(checkRequest('').toString('hex'), '0000000000', 'no service: an empty message')
  t.equal(
    checkRequest('shop.Stock').toString('hex'),
    `000000000c0a0a${Buffer.from('shop.Stock').toString('hex')}`
  )
  const long = checkRequest('s'.repeat(300))
  t.equal(long.toString('hex', 0, 8), '000000012f0aac02', 'a length past 127 has two bytes')
  t.equal(long.length, 5 + 3 + 300)
})

const read = (hex: string, flag = '00') => {
  const message = Buffer.from(hex, 'hex')
  const length = message.length.toString(16).padStart(8, '0')
  return servingStatusIn(Buffer.from(`${flag}${length}${hex}`, 'hex'))
}

t.test('what a response says', async (t) => {
  t.equal(read('0801'), 'SERVING')
  t.equal(read('0802'), 'NOT_SERVING')
  t.equal(read('0803'), 'SERVICE_UNKNOWN')
  t.equal(read(''), 'UNKNOWN', 'zero is left out')
  t.equal(read('0800'), 'UNKNOWN')
  t.equal(read('08020801'), 'SERVING', 'the last one holds')
  t.equal(read('0a026f6b0801'), 'SERVING', 'behind a field that is not known, of a length')
  t.equal(read('1096010801'), 'SERVING', 'a varint')
  t.equal(read('1900000000000000000801'), 'SERVING', 'eight bytes')
  t.equal(read('2500000000080125ffffffff'), 'SERVING', 'four bytes')
})

t.test('what is no such response', async (t) => {
  for (const hex of [
    '08',
    '0880',
    '0a05',
    '0aff',
    '0b01',
    '0804',
    '08ffffffffffffffffffffff01',
    '19000801',
    '80'
  ]) {
    t.equal(read(hex), undefined, hex)
  }
  t.equal(read('0801', '01'), undefined, 'compressed')
  t.equal(servingStatusIn(Buffer.alloc(0)), undefined)
  t.equal(servingStatusIn(Buffer.alloc(4)), undefined)
  t.equal(servingStatusIn(Buffer.from('00000000030801', 'hex')), undefined, 'shorter than it says')
  t.equal(servingStatusIn(Buffer.from('000000000108010801', 'hex')), undefined, 'longer than it says')
})
