// Plugins as the hooks' machinery has them, without a configuration, and an exchange for them.
import { Deadlines } from '../../../core/hooks/deadlines.js'
import { compileUpgradeHooks } from '../../../core/hooks/hook-set.js'
import type { PluginInstance, Running } from '../../../core/hooks/instance.js'
import type { PluginHooks } from '../../../core/hooks/types.js'
import { CapturedLog } from '../../../core/testing/captured-log.js'
import { VirtualClock } from '../../../core/testing/virtual-clock.js'
import { MessageTunnel } from '../../../core/upgrade/message-tunnel.js'
import type { Upgraded, UpgradedParts } from '../../../core/upgrade/upgraded.js'

export interface Listed extends PluginHooks {
  name?: string
  onFailure?: 'close' | 'skip'
  hookTimeout?: number
  when?: PluginInstance['when']
}

export class Plugins {
  readonly clock = new VirtualClock()
  readonly log = new CapturedLog()
  /** `plugin hook`, each time one was timed. */
  readonly timed: string[] = []
  /** `plugin hook`, each time one failed. */
  readonly failed: string[] = []
  readonly #deadlines = new Deadlines(this.clock)

  instances(listed: readonly Listed[]): PluginInstance[] {
    return listed.map(({ name = 'one', onFailure = 'close', hookTimeout = 5_000, when, ...hooks }) => ({
      name,
      hooks,
      body: undefined,
      when,
      onFailure,
      hookTimeout,
      log: this.log.child({ plugin: name }),
      deadlines: this.#deadlines,
      now: () => this.clock.now(),
      duration: (hook) => ({ observe: () => void this.timed.push(`${name} ${hook}`) }),
      failures: (hook) => ({ inc: () => void this.failed.push(`${name} ${hook}`) })
    }))
  }

  /** For `startFront`: a tunnel whose messages these see. */
  tunnel(...listed: Listed[]): (parts: UpgradedParts) => Upgraded {
    const hooks = compileUpgradeHooks(this.instances(listed))
    if (hooks === undefined) throw new Error('no plugin has a hook for it')
    return (parts) => new MessageTunnel({ ...parts, hooks, exchange: exchange(), protocol: 'chat' })
  }
}

/** As much of an exchange as a hook is called with. */
export function exchange(): Running {
  const values = new Map<unknown, unknown>()
  return {
    id: 'exchange-1',
    route: { name: 'all', service: 'upstream' },
    caller: undefined,
    bodyAwaited: 0,
    waiting: undefined,
    conditions: undefined,
    get: (key: unknown) => values.get(key),
    set: (key: unknown, value: unknown) => void values.set(key, value)
  } as unknown as Running
}
