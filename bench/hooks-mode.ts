// `npm run bench -- hooks`: what `hooks/` measures, which needs neither a service nor a load.
import { hooks } from './hooks/hooks.js'
import type { Bench } from './mode.js'
import type { Outcome, Target } from './outcome.js'
import { unbundled } from './unbundled.js'

interface Found {
  readonly sections: readonly string[]
  readonly failed: number
  /** Where the tables do not say themselves what is missed. */
  readonly targets?: readonly Target[]
}

export async function hooksMode({ build, size, say }: Bench): Promise<Outcome> {
  const { sections, failed, targets = [] }: Found = await hooks(await unbundled(build, say), size === 'smoke')
  return { parts: [...sections, ...targets], failed }
}
