import t from 'tap'
import { Fields } from '../../../core/exchange/fields.js'
import { readCookie } from '../../../core/index.js'

const read = (name: string, ...fields: string[]) =>
  readCookie(new Fields(fields.flatMap((field) => ['Cookie', field])), name)

t.test('a cookie by its name', async (t) => {
  t.equal(read('b', 'a=1; b=2; c=3'), '2')
  t.equal(read('c', 'a=1;b=2;c=3'), '3', 'without the spaces')
  t.equal(read('a', 'a='), '', 'an empty one is there')
  t.equal(read('a', 'a=x=y'), 'x=y', 'all behind the first equals sign')
  t.equal(read('a', 'a=" 1 "; b=2'), ' 1 ', 'quotes are taken off')
  t.equal(read('a', 'a="'), '"', 'one quote is none around it')
  t.equal(read('a', 'a= 1 \t; b=2'), '1', 'spaces around it are taken off')
  t.equal(read('a', 'a=%2F'), '%2F', 'nothing is decoded')
})

t.test('what is not that cookie', async (t) => {
  t.equal(read('a'), undefined, 'no field')
  t.equal(read('a', ''), undefined)
  t.equal(read('a', 'a'), undefined, 'no equals sign')
  t.equal(read('a', 'aa=1; xa=2; A=3'), undefined, 'names are whole, and have their case')
  t.equal(read('a', 'b=a=1'), undefined, 'a value that looks like it')
  t.equal(read('a', ' ;;; ; '), undefined)
})

t.test('of several the first, and in whichever field', async (t) => {
  t.equal(read('a', 'a=1; a=2'), '1')
  t.equal(read('b', 'a=1', 'b=2'), '2', 'HTTP/2 clients send one field each')
})

t.test('a value longer than any browser keeps is none', async (t) => {
  t.equal(read('a', `a=${'x'.repeat(4_096)}`)?.length, 4_096)
  t.equal(read('a', `a=${'x'.repeat(4_097)}`), undefined)
})
