import type { Test } from 'tap'
import type { PluginName } from './uses.js'

/** What becomes of plugins beside each other, and the test that shows it. */
export interface Rule {
  /** As it stands in the list: the plugins, or what of them is meant. */
  readonly about: string
  /** The cells of the table that lead here; a plugin beside itself is a pair too. */
  readonly pairs: readonly (readonly [PluginName, PluginName])[]
  /** Plain sentences: what wins, and why. */
  readonly wins: string
  readonly test: (t: Test) => Promise<void>
}
