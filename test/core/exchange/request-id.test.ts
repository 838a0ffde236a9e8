import { test } from 'tap'
import { validate, version } from 'uuid'
import { requestId } from '../../../core/exchange/request-id.js'

test('an id is a UUIDv7 of now, as uuid reads it', async (t) => {
  const before = Date.now()
  const ids = Array.from({ length: 5000 }, requestId)
  const after = Date.now()
  t.ok(ids.every((id) => validate(id) && version(id) === 7))
  t.equal(new Set(ids).size, ids.length, 'no two are the same')
  t.ok(
    ids.every((id) => {
      const ms = Number.parseInt(id.replaceAll('-', '').slice(0, 12), 16)
      return ms >= before && ms <= after
    })
  )
})

test('one made later sorts later', async (t) => {
  const ids: string[] = []
  for (let ms = Date.now(), made = 0; made < 5; made++) {
    while (Date.now() === ms);
    ms = Date.now()
    ids.push(requestId())
  }
  t.same([...ids].sort(), ids)
})
