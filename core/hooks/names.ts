import type { HookName } from './types.js'

/** In the order of an exchange's life. */
export const HOOK_NAMES: readonly HookName[] = [
  'request',
  'candidates',
  'pick',
  'attempt',
  'outcome',
  'settled',
  'response',
  'error',
  'open',
  'message',
  'finish'
]

/** Those that a service's plugins are asked in: of every attempt on the service, whichever route it came from. */
export const SERVICE_HOOKS: ReadonlySet<HookName> = new Set([
  'candidates',
  'pick',
  'attempt',
  'outcome',
  'settled'
])
