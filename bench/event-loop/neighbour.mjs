// node neighbour.mjs SECONDS
// Signs for so long, for nobody: a process that has nothing to do with the proxy and wants a core as one of its worker
// threads does.
import { generateKeyPairSync, sign } from 'node:crypto'

const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
const end = performance.now() + Number(process.argv[2]) * 1000
const text = Buffer.from('token')
while (performance.now() < end) sign('sha256', text, privateKey)
