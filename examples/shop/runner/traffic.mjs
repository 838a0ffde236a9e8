// Customers: each looks around, and every third buys something.
import { setTimeout as sleep } from 'node:timers/promises'

/** ms between two customers, on average: about 40 requests a second in all. */
const BETWEEN = 250

export class Traffic {
  #shop
  #leaving = new AbortController()
  #customers = new Set()
  #comes = Promise.resolve()
  #count = 0

  /** @param {string} shop the sidecar's address */
  constructor(shop) {
    this.#shop = shop
  }

  start() {
    this.#comes = this.#come()
  }

  /** Nobody comes any more; those that are there end what they do. */
  async stop() {
    this.#leaving.abort()
    await this.#comes
    await Promise.all(this.#customers)
  }

  async #come() {
    while (!this.#leaving.signal.aborted) {
      const customer = this.#visit(++this.#count).catch(() => {})
      this.#customers.add(customer)
      void customer.then(() => this.#customers.delete(customer))
      const wait = BETWEEN * (0.5 + Math.random())
      await sleep(wait, undefined, { signal: this.#leaving.signal }).catch(() => {})
    }
  }

  async #visit(number) {
    const { items } = await this.#ask('/catalogue/items')
    const looked = Array.from({ length: 4 }, () => items[Math.floor(Math.random() * items.length)].item)
    for (const item of looked) {
      await Promise.all([this.#ask(`/catalogue/items/${item}`), this.#ask(`/stock/${item}`)])
    }
    if (number % 3 !== 0 || this.#leaving.signal.aborted) return
    const order = `/orders/customer-${process.pid}-${number}`
    await this.#ask(order, { method: 'PUT', body: JSON.stringify({ item: looked[0], quantity: 1 }) })
    await this.#ask(order)
  }

  async #ask(path, init = {}) {
    const response = await fetch(this.#shop + path, { headers: { 'x-api-key': 'demo-key' }, ...init })
    return response.json()
  }
}
