// Takes orders. Of TLS, certificates and tokens it knows nothing: it has its sidecar.
import { EventEmitter, once } from 'node:events'
import { createServer } from 'node:http'
import { json } from 'node:stream/consumers'
import { setTimeout as sleep } from 'node:timers/promises'
import { Client, credentials } from '@grpc/grpc-js'
import { WebSocketServer } from 'ws'
import { charge } from './shop-payment.mjs'

const ports = process.env.PORTS || '235'
const LAST = 'sent'
const orders = new Map()

const payment = new Client(`127.0.0.1:${ports}01`, credentials.createInsecure(), {
  'grpc.default_authority': 'payment',
  // grpc-js would ask a proxy that the environment names by CONNECT. The sidecar is none of that kind.
  'grpc.enable_http_proxy': 0
})

const server = createServer(async (request, response) => {
  const answer = (status, body) =>
    response.writeHead(status, { 'content-type': 'application/json' }).end(`${JSON.stringify(body)}\n`)
  const [, number, progress] = /^\/orders\/(\w+)(\/progress)?$/.exec(request.url) ?? []
  const order = orders.get(number)
  try {
    if (request.method === 'PUT' && !progress) {
      if (order) return answer(200, shown(order))
      return answer(201, shown(await place(number, request.headers['x-customer'], await json(request))))
    }
    if (!order) return answer(404, { error: 'no such order' })
    if (!progress) return answer(200, shown(order))
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    for await (const step of stepsOf(order)) response.write(`data: ${step}\n\n`)
    response.end()
  } catch (error) {
    answer(502, { error: error.message })
  }
})

const chats = new WebSocketServer({ noServer: true })
server.on('upgrade', (request, socket, head) => {
  const order = orders.get(/^\/chat\/(\w+)$/.exec(request.url)?.[1])
  if (!order) return socket.end('HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\nconnection: close\r\n\r\n')
  chats.handleUpgrade(request, socket, head, (chat) => talk(chat, order))
})

async function talk(chat, order) {
  chat.on('message', (data) => {
    order.notes.push(String(data))
    chat.send(`noted: ${data}`)
  })
  for await (const step of stepsOf(order)) chat.send(step)
}

async function place(number, customer, { item, amount }) {
  const { receipt } = await pay({ order: number, amount })
  const order = { number, customer, item, receipt, notes: [], progress: ['paid'], news: new EventEmitter() }
  orders.set(number, order)
  void deliver(order)
  return order
}

/** A call as any gRPC client makes it, but that there is one address for all of them. */
function pay(request) {
  return new Promise((resolve, reject) => {
    const { path, requestSerialize, responseDeserialize } = charge
    payment.makeUnaryRequest(path, requestSerialize, responseDeserialize, request, (error, paid) =>
      error ? reject(error) : resolve(paid)
    )
  })
}

async function deliver({ progress, news }) {
  for (const step of ['packed', LAST]) {
    await sleep(300)
    progress.push(step)
    news.emit('step')
  }
}

/** What an order has reached, and what it reaches as soon as it does, to the last. */
async function* stepsOf({ progress, news }) {
  for (let seen = 0; progress[seen - 1] !== LAST; seen++) {
    if (seen === progress.length) await once(news, 'step')
    yield progress[seen]
  }
}

function shown({ number, customer, item, receipt, notes }) {
  return { order: number, customer, item, receipt, notes }
}

server.listen(Number(`${ports}10`), '127.0.0.1')

process.on('SIGTERM', () => {
  payment.close()
  server.close()
})
