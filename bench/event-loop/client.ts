import { Agent, request } from 'node:http'

/** What came of the requests of one phase. */
export interface Answers {
  /** ms, in no order. */
  readonly latencies: number[]
  failed: number
}

/**
 * Asks at a steady pace, whether or not earlier requests have been answered, until the signal aborts: a proxy that
 * stands still is then seen by every request of that time, and not by one per connection.
 *
 * @param rate per second
 */
export async function pace(url: string, rate: number, signal: AbortSignal): Promise<Answers> {
  const agent = new Agent({ keepAlive: true, maxSockets: 512 })
  const answers: Answers = { latencies: [], failed: 0 }
  const under: Promise<void>[] = []
  const startedAt = performance.now()
  while (!signal.aborted) {
    const due = ((performance.now() - startedAt) * rate) / 1000
    while (under.length < due) under.push(ask(url, agent, answers))
    await new Promise((resolve) => setTimeout(resolve, 1))
  }
  await Promise.all(under)
  agent.destroy()
  return answers
}

/** Keeps `count` requests under way until the signal aborts, and waits for the last of them. */
export async function keepBusy(url: string, count: number, signal: AbortSignal): Promise<Answers> {
  const agent = new Agent({ keepAlive: true })
  const answers: Answers = { latencies: [], failed: 0 }
  const lane = async () => {
    while (!signal.aborted) await ask(url, agent, answers)
  }
  await Promise.all(Array.from({ length: count }, lane))
  agent.destroy()
  return answers
}

function ask(url: string, agent: Agent, answers: Answers): Promise<void> {
  const startedAt = performance.now()
  return new Promise((resolve) => {
    const failed = () => {
      answers.failed++
      resolve()
    }
    request(url, { agent, timeout: 60_000 }, (response) => {
      response.resume()
      response.once('error', failed)
      response.once('end', () => {
        if (response.statusCode === 200) answers.latencies.push(performance.now() - startedAt)
        else answers.failed++
        resolve()
      })
    })
      .once('error', failed)
      .end()
  })
}
