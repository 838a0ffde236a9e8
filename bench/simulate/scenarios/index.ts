import { breaker } from './breaker.js'
import { hedging } from './hedging.js'
import { outliers } from './outliers.js'
import { overload } from './overload.js'
import { policies } from './policies.js'
import type { Scenario } from './scenario.js'
import { slowStart } from './slow-start.js'
import { storm } from './storm.js'

/** In the order in which README.md has them. */
export const scenarios: readonly Scenario[] = [
  policies,
  storm,
  overload,
  hedging,
  slowStart,
  outliers,
  breaker
]
