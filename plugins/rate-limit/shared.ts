/** What listings of one proxy share, for as long as any of them holds it. */
interface Held<T> {
  readonly value: T
  holders: number
}

/**
 * One thing by name for all who ask within one proxy. The next configuration asks before the present one lets go, so it
 * outlives a reload.
 *
 * @param proxy what is one object for as long as the proxy runs: a metric
 */
export class Shared<T> {
  readonly #proxies = new WeakMap<object, Map<string, Held<T>>>()

  hold(
    proxy: object,
    name: string,
    make: () => T,
    drop: (value: T) => void
  ): { value: T; release: () => void } {
    let named = this.#proxies.get(proxy)
    if (named === undefined) this.#proxies.set(proxy, (named = new Map()))
    let held = named.get(name)
    if (held === undefined) named.set(name, (held = { value: make(), holders: 0 }))
    held.holders++
    const { value } = held
    const release = () => {
      if (--held.holders > 0) return
      named.delete(name)
      drop(value)
    }
    return { value, release }
  }
}
