import type { Config } from '../config/types.js'

/** What differs between two configurations that a reload does not take up, a sentence each. */
export function changedAtStart(
  before: Pick<Config, 'admin' | 'processes'>,
  after: Pick<Config, 'admin' | 'processes'>
): string[] {
  const changes: string[] = []
  if (JSON.stringify(after.admin) !== JSON.stringify(before.admin))
    changes.push("the admin's address is taken up at the next start, not by a reload")
  if (after.processes !== before.processes)
    changes.push('the number of processes is taken up at the next start, not by a reload')
  return changes
}
