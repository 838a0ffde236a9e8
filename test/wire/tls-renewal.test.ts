// A certificate renewed a hundred times while clients come and go: nobody notices, and nothing is reloaded.
// RENEWAL_SECONDS=30 spreads them over that time in place of 8 s.
import { renameSync, symlinkSync, writeFileSync } from 'node:fs'
import { type ClientHttp2Session, connect as connectHttp2 } from 'node:http2'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { connect, type SecureVersion, type TLSSocket } from 'node:tls'
import t from 'tap'
import { certificate } from '../support/certificates.js'
import { startTestProxy } from '../support/proxy.js'
import { parseResponse, RawClient } from '../support/raw-client.js'
import { startUpstream } from '../support/upstream.js'
import { ca, PemFolder } from './tls-peers.js'

const RENEWALS = 100
const OVER = Number(process.env.RENEWAL_SECONDS ?? 8) * 1_000
const LANES = 2

const GET = 'GET / HTTP/1.1\r\nhost: localhost\r\n\r\n'

interface Tally {
  served: number
  failures: string[]
  /** Serial numbers of the certificates that clients saw. */
  shown: Set<string>
}

/** Connection after connection, one request each, until `over`. */
async function comeAndGo(
  port: number,
  version: SecureVersion,
  tally: Tally,
  over: () => boolean
): Promise<void> {
  while (!over()) {
    await new Promise<void>((resolve) => {
      const socket = connect({
        port,
        ca: ca.cert,
        servername: 'localhost',
        minVersion: version,
        maxVersion: version
      })
      let text = ''
      socket.setTimeout(5_000, () => socket.destroy(new Error('no answer in 5 s')))
      socket.once('secureConnect', () => {
        tally.shown.add(socket.getPeerCertificate().serialNumber)
        socket.write(GET.replace('\r\n\r\n', '\r\nconnection: close\r\n\r\n'))
      })
      socket.on('data', (chunk) => (text += chunk))
      socket.once('error', (error) => tally.failures.push(String(error)))
      socket.once('close', () => {
        if (text.startsWith('HTTP/1.1 200 ')) tally.served++
        else tally.failures.push(`answered ${JSON.stringify(text)}`)
        resolve()
      })
    })
  }
}

/** Request after request on one connection. */
async function stay(ask: () => Promise<boolean>, tally: Tally, over: () => boolean): Promise<void> {
  while (!over()) {
    const good = await ask().catch((error) => String(error))
    if (good === true) tally.served++
    else {
      tally.failures.push(`on a kept connection: ${good}`)
      return
    }
    await sleep(20)
  }
}

async function overHttp2(session: ClientHttp2Session): Promise<boolean> {
  const stream = session.request({ ':path': '/' })
  let status: unknown
  stream.once('response', (headers) => (status = headers[':status']))
  for await (const _ of stream);
  return status === 200
}

t.test(
  `${RENEWALS} renewals in ${OVER / 1_000} s, or as fast as they are taken up, under load`,
  { timeout: OVER + 60_000 },
  async (t) => {
    const folder = new PemFolder(t)
    const made = Array.from({ length: 10 }, () => certificate({ name: 'localhost', issuer: ca }))
    const files = folder.pair('server', made[0] as (typeof made)[0])
    // As Kubernetes mounts them: the names are links through a folder that is swapped whole.
    for (const [index, pair] of made.entries()) folder.pair(`version-${index}`, pair)
    symlinkSync('version-0.pem', join(folder.path, 'linked.pem'))
    symlinkSync('version-0.key', join(folder.path, 'linked.key'))
    const linked = { cert: join(folder.path, 'linked.pem'), key: join(folder.path, 'linked.key') }
    const upstream = await startUpstream(t, (_request, response) => response.end('ok'))
    const started = await startTestProxy(t, {
      endpoints: [upstream.url],
      config: {
        listeners: {
          written: { address: '127.0.0.1:0', tls: files },
          linked: { address: '127.0.0.1:0', tls: linked }
        }
      }
    })
    const urls = [started.url('written'), started.url('linked')]
    const ports = urls.map((url) => Number(new URL(url).port))
    let done = false
    const tally: Tally = { served: 0, failures: [], shown: new Set() }
    const kept: { served: Tally; end: () => void }[] = []
    const lanes = ports.flatMap((port, at) => {
      const one: Tally = { served: 0, failures: [], shown: new Set() }
      const two: Tally = { served: 0, failures: [], shown: new Set() }
      const client = new RawClient(connect({ port, ca: ca.cert, servername: 'localhost' }) as TLSSocket)
      const session = connectHttp2(urls[at] as string, { ca: ca.cert, servername: 'localhost' })
      session.on('error', () => {})
      kept.push({ served: one, end: () => client.destroy() }, { served: two, end: () => session.destroy() })
      const overHttp1 = async () => {
        const before = client.length
        client.write(GET)
        const text = await client.until((all) => parseResponse(all.slice(before)) !== undefined, 'an answer')
        return text.slice(before).startsWith('HTTP/1.1 200 ')
      }
      return [
        ...Array.from({ length: LANES }, (_, lane) =>
          comeAndGo(port, lane % 2 === 0 ? 'TLSv1.3' : 'TLSv1.2', tally, () => done)
        ),
        stay(overHttp1, one, () => done),
        stay(
          () => overHttp2(session),
          two,
          () => done
        )
      ]
    })

    const renewed = () => started.log.filter(({ message }) => message === 'certificates renewed').length
    const begun = performance.now()
    let late = 0
    for (let i = 1; i <= RENEWALS; i++) {
      const next = made[i % made.length] as (typeof made)[0]
      const before = renewed()
      if (i % 2 === 0) {
        // One file after the other: in between they do not belong together.
        writeFileSync(files.cert, next.cert)
        if (i % 4 === 0) await sleep(5)
        writeFileSync(files.key, next.key)
      } else {
        for (const end of ['pem', 'key']) {
          const link = join(folder.path, `linked.${end}`)
          symlinkSync(`version-${i % made.length}.${end}`, `${link}.new`)
          renameSync(`${link}.new`, link)
        }
      }
      const due = begun + (i * OVER) / RENEWALS
      const patience = AbortSignal.timeout(5_000)
      while (renewed() === before && !patience.aborted) await sleep(5)
      if (renewed() === before) late++
      await sleep(Math.max(0, due - performance.now()))
    }
    const seconds = (performance.now() - begun) / 1_000
    done = true
    await Promise.all(lanes)
    for (const { end } of kept) end()

    t.same(tally.failures, [], 'no request failed')
    for (const { served } of kept) {
      t.same(served.failures, [], 'nor one on a connection that stayed')
      t.ok(served.served > RENEWALS / 2, `${served.served} on it`)
    }
    t.equal(late, 0, 'each was taken up before the next')
    t.ok(renewed() >= RENEWALS, `${renewed()} taken up`)
    t.equal(tally.shown.size, made.length, 'clients saw every one of the certificates')
    t.ok(tally.served > 2 * RENEWALS, `${tally.served} connections in ${seconds.toFixed(1)} s`)
    const { text } = await started.proxy.metrics()
    t.match(text, /^outrigger_config_reloads_total 0$/m, 'and nothing was reloaded')
    t.comment(
      `${renewed()} renewals, ${tally.served} connections, ${kept.map(({ served }) => served.served)} kept`
    )
  }
)
