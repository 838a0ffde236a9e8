// A customer who hears how far an order is, and has something to say when it has been sent.
// usage: chat.mjs ORDER WORDS
import { readFileSync } from 'node:fs'
import { WebSocket } from 'ws'

const { PORTS: ports = '235', TOKEN: token = '' } = process.env
const [order, words] = process.argv.slice(2)

const chat = new WebSocket(`wss://localhost:${ports}00/chat/${order}`, {
  ca: readFileSync('certs/ca.pem'),
  headers: { authorization: `Bearer ${token}` }
})
chat.on('message', (data) => {
  const text = String(data)
  console.log(text)
  if (text === 'sent') chat.send(words)
  if (text.startsWith('noted')) chat.close(1000)
})
chat.on('error', ({ message }) => console.log(message))
