import t from 'tap'
import { type Knock, refusal } from '../../../core/admin/guard.js'

const ADDRESS = 'http://127.0.0.1:9901'

function knock(changes: Partial<Knock>): Knock {
  return { method: 'GET', host: '127.0.0.1:9901', origin: undefined, fetchSite: undefined, ...changes }
}

t.test('addresses and loopback names are let in', async (t) => {
  for (const host of [
    '127.0.0.1:9901',
    'localhost:9901',
    'LOCALHOST',
    'localhost.:9901',
    'app.localhost:1',
    '[::1]:9901',
    '10.20.30.40:9901',
    undefined
  ]) {
    t.equal(refusal(knock({ host }), ADDRESS), undefined, String(host))
  }
})

t.test('a name that could be pointed here is refused', async (t) => {
  for (const host of [
    'evil.example:9901',
    'localhost.evil.example',
    '127.0.0.1.evil.example',
    'evil.example@127.0.0.1',
    '127.0.0.1/evil',
    'a b',
    ''
  ]) {
    t.type(refusal(knock({ host }), ADDRESS), 'string', host)
  }
})

t.test('the name it is configured with is let in, and no other', async (t) => {
  t.equal(refusal(knock({ host: 'admin.internal:9901' }), 'http://admin.internal:9901'), undefined)
  t.type(refusal(knock({ host: 'other.internal:9901' }), 'http://admin.internal:9901'), 'string')
})

t.test('on a Unix socket any host is let in', async (t) => {
  t.equal(refusal(knock({ method: 'POST', host: 'whatever' }), 'unix:/run/admin.sock'), undefined)
})

t.test('a POST from a page elsewhere is refused, one from curl or the dashboard is not', async (t) => {
  const post = (changes: Partial<Knock>) => refusal(knock({ method: 'POST', ...changes }), ADDRESS)
  t.equal(post({}), undefined, 'curl')
  t.equal(post({ origin: 'http://127.0.0.1:9901', fetchSite: 'same-origin' }), undefined, 'the dashboard')
  t.type(post({ origin: 'https://evil.example' }), 'string')
  t.type(post({ origin: 'null' }), 'string', 'a sandboxed frame')
  t.type(post({ origin: 'http://127.0.0.1:3000' }), 'string', 'another port of this machine')
  t.type(post({ fetchSite: 'cross-site' }), 'string')
  t.type(post({ fetchSite: 'same-site' }), 'string')
})
