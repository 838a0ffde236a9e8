import type { Logger } from '../hooks/plugin.js'
import { StartError } from '../server/types.js'
import { type Member, NoAnswer } from './member.js'
import type { Facts } from './protocol.js'

/** ms that one process may take for a reload. */
const RELOAD = 60_000
/** ms for what is only a word. */
const WORD = 3_000

/**
 * Reloads one process after the other: there is one at any time at most that is busy with it. What the first refuses,
 * no other is asked to take. When a later one fails, those before it go back to what they had.
 *
 * @param text of the configuration; undefined: a module, which each reads itself
 * @param before the text that they run now
 * @returns what they run now
 * @throws ConfigError, StartError, Error of the one that failed; then they run what they ran before
 */
export async function reloadCrew(
  members: readonly Member[],
  text: string | undefined,
  before: string | undefined,
  log: Logger
): Promise<Facts> {
  const taken: Member[] = []
  let facts: Facts | undefined
  for (const member of members) {
    try {
      facts = await member.reload(text, RELOAD)
      taken.push(member)
    } catch (error) {
      member.text = before
      const { number } = member.seat
      if (taken.length > 0) {
        const numbers = taken.map(({ seat }) => seat.number)
        log.error(
          { process: number, restored: numbers, error },
          `process ${number} did not take the configuration that process ${numbers.join(', ')} had taken: back to the one before`
        )
        await Promise.all(taken.map((each) => restore(each, before, log)))
      }
      giveUp(member, error, log)
      throw error
    }
  }
  if (facts === undefined) throw new StartError('no process serves that could take a configuration')
  await Promise.allSettled(taken.map((member) => member.ask('settle', WORD)))
  return facts
}

async function restore(member: Member, before: string | undefined, log: Logger): Promise<void> {
  const { number } = member.seat
  member.text = before
  try {
    await member.ask('restore', RELOAD)
  } catch (error) {
    log.error(
      { process: number, error },
      `process ${number} did not go back to the configuration before: it is replaced`
    )
    member.kill()
  }
}

/** One that does not answer may take it yet, after the others have gone back. */
function giveUp(member: Member, error: unknown, log: Logger): void {
  if (!(error instanceof NoAnswer)) return
  const { number } = member.seat
  log.error({ process: number }, `process ${number} is replaced: ${error.message}`)
  member.kill()
}
