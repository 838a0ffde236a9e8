// The system's own accounting of processor time. A process counts with all its threads.
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'

let perSecond: number | undefined

/** Seconds of processor time, user and system, that a process has had; undefined where the system does not say. */
export function cpuSeconds(pid: number): number | undefined {
  let stat: string
  try {
    stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
  } catch {
    return undefined
  }
  // The second field is the program's name, which may hold anything; the third begins behind its bracket.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  perSecond ??= Number(execFileSync('getconf', ['CLK_TCK'], { encoding: 'utf8' }))
  return (Number(fields[11]) + Number(fields[12])) / perSecond
}
