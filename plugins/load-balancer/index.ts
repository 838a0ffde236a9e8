import { definePlugin, type PluginHooks, z } from '../../core/index.js'
import { leastRequest } from './least-request.js'
import { random } from './random.js'

const config = z.strictObject({
  policy: z
    .enum(['round-robin', 'random', 'least-request'])
    .default('round-robin')
    .describe('How the endpoint of each attempt is chosen. Weights count in all three.')
})

interface LoadBalancerOptions {
  /** At least 0, less than 1. Default `Math.random`. */
  random?: () => number
}

/** The plugin with a source of chance of one's own, so that a test can say what comes out. */
export function createLoadBalancer(options: LoadBalancerOptions = {}) {
  const chance = options.random ?? Math.random
  return definePlugin({
    name: 'load-balancer',
    version: '0.1.0',
    description: 'chooses the endpoint of each attempt: round-robin, random or least-request',
    config,
    // What a policy knows of its endpoints is one service's; on two routes it would be known by halves.
    places: ['service'],
    setup({ config: { policy } }): PluginHooks {
      switch (policy) {
        case 'random':
          return { pick: random(chance) }
        case 'least-request':
          return { pick: leastRequest(chance) }
        case 'round-robin':
          // The core's own pick, which runs when no plugin picks.
          return {}
      }
    }
  })
}

export default createLoadBalancer()
