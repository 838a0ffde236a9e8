import t from 'tap'
import { finish, murmur3, rehash } from '../../../plugins/load-balancer/hash.js'

t.test('MurmurHash3, x86, 32 bits: the published vectors', async (t) => {
  const seed = 0x9747b28c
  const vectors: [string, number, number][] = [
    ['', 0, 0],
    ['', 1, 0x514e28b7],
    ['', 0xffffffff, 0x81f16f39],
    ['a', seed, 0x7fa09ea6],
    ['aa', seed, 0x5d211726],
    ['aaa', seed, 0x283e0130],
    ['aaaa', seed, 0x5a97808a],
    ['test', 0, 0xba6bd213],
    ['test', seed, 0x704b81dc],
    ['Hello, world!', 0, 0xc0363e43],
    ['Hello, world!', seed, 0x24884cba],
    ['The quick brown fox jumps over the lazy dog', 0, 0x2e4ff723],
    ['The quick brown fox jumps over the lazy dog', seed, 0x2fa826cd],
    ['ππππππππ', seed, 0xd58063c1]
  ]
  for (const [text, seed, hash] of vectors) t.equal(murmur3(text, seed), hash, JSON.stringify(text))
})

t.test('a bit of the input changes half of the output', async (t) => {
  let changed = 0
  for (let value = 0; value < 1000; value++) {
    for (let bit = 0; bit < 32; bit++) {
      const differs = (finish(value) ^ finish(value ^ (1 << bit))) >>> 0
      changed += differs.toString(2).replaceAll('0', '').length
    }
  }
  const part = changed / (1000 * 32 * 32)
  t.ok(Math.abs(part - 0.5) < 0.01, `${part}`)
})

t.test("a hash's next ones are different, and so are those of its neighbour", async (t) => {
  const seen = new Set<number>()
  for (let hash = 0; hash < 100; hash++) for (let n = 1; n <= 100; n++) seen.add(rehash(hash, n))
  t.equal(seen.size, 10_000)
})
