/** Finds what a client means by the name in its hello. */
export class ServerNames<T> {
  readonly #exact = new Map<string, T>()
  /** By what is behind `*`: `.example.com`. */
  readonly #wildcards = new Map<string, T>()

  /** @param name in lower case; `*.example.com` stands for one label in the place of the star */
  add(name: string, value: T): void {
    if (name.startsWith('*.')) this.#wildcards.set(name.slice(1), value)
    else this.#exact.set(name, value)
  }

  /** The name itself before a wildcard. Undefined when there is neither. */
  find(name: string): T | undefined {
    const plain = name.toLowerCase()
    const exact = this.#exact.get(plain)
    if (exact !== undefined) return exact
    const dot = plain.indexOf('.')
    return dot < 1 ? undefined : this.#wildcards.get(plain.slice(dot))
  }
}
