import type { Random } from './random.js'

/** Of times, in ms. */
export interface Distribution {
  readonly mean: number
  draw(random: Random): number
}

export function constant(mean: number): Distribution {
  return { mean, draw: () => mean }
}

/** What has no memory: the time between two arrivals, or, by custom, of a service. */
export function exponential(mean: number): Distribution {
  return { mean, draw: (random) => -mean * Math.log(1 - random()) }
}

/**
 * A long tail, as times of services have: p99 over median is `e^(2.326 sigma)`, 3.2 at a sigma of 0.5, 10 at 1 and 33
 * at 1.5.
 *
 * @param sigma standard deviation of the logarithm
 */
export function lognormal(mean: number, sigma: number): Distribution {
  const mu = Math.log(mean) - sigma ** 2 / 2
  return { mean, draw: (random) => Math.exp(mu + sigma * normal(random)) }
}

/** Each of them with a probability: mostly fast, now and then something else. @param parts whose shares come to 1 */
export function mixture(parts: readonly { share: number; of: Distribution }[]): Distribution {
  const mean = parts.reduce((sum, { share, of }) => sum + share * of.mean, 0)
  const last = parts.at(-1)
  if (last === undefined) throw new RangeError('a mixture of nothing')
  return {
    mean,
    draw(random) {
      let left = random()
      for (const { share, of } of parts) {
        left -= share
        if (left < 0) return of.draw(random)
      }
      return last.of.draw(random)
    }
  }
}

/** Box and Muller's; the second of the pair is not kept, so that each draw takes the same numbers. */
function normal(random: Random): number {
  return Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random())
}
