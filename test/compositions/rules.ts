// What wins when plugins stand beside each other: what plugins/README.md says and rules.test.ts shows.
import type { Rule } from './rule.js'
import { choosing } from './rules/choosing.js'
import { failingOver } from './rules/failing-over.js'
import { guarding } from './rules/guarding.js'
import { health } from './rules/health.js'
import { hedging } from './rules/hedging.js'
import { levels } from './rules/levels.js'
import { passing } from './rules/passing.js'
import { retrying } from './rules/retrying.js'
import { twice } from './rules/twice.js'
import type { PluginName } from './uses.js'

/** Numbered in this order. */
export const rules: readonly Rule[] = [
  ...retrying,
  ...hedging,
  ...failingOver,
  ...levels,
  ...health,
  ...choosing,
  ...guarding,
  ...passing,
  ...twice
]

/** Plugins that answer a request without a service being asked. */
export const ANSWERING = ['redirect', 'grpc-health'] as const

/** Plugins that act on what is sent to a service alone: they have nothing to do with a request that those above answer. */
export const ATTEMPTING = [
  'canary',
  'circuit-breaker',
  'failover',
  'load-balancer',
  'mirror',
  'outlier-detection',
  'retry',
  'split',
  'timeout'
] as const satisfies readonly PluginName[]
