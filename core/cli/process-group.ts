import { readdirSync, readFileSync } from 'node:fs'

/**
 * Sends a signal to every process of a group.
 *
 * @returns false when nothing of the group is left
 */
export function signalGroup(group: number, signal: NodeJS.Signals): boolean {
  try {
    process.kill(-group, signal)
    return true
  } catch (error) {
    // EPERM: a member that changed its user lives on, out of our reach.
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}

/**
 * Whether a process of the group still runs. One that has ended and that nobody has asked about (as when this process
 * is the first of a container, and gets orphans as its children) does not, though signals still find it.
 */
export function groupRuns(group: number): boolean {
  try {
    process.kill(-group, 0)
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
  let entries: string[]
  try {
    entries = readdirSync('/proc').filter((name) => /^\d+$/.test(name))
  } catch {
    return true
  }
  return entries.length === 0 || entries.some((pid) => runsIn(group, pid))
}

function runsIn(group: number, pid: string): boolean {
  try {
    // `pid (name) state ppid pgrp ...`; the name may hold spaces and brackets.
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    const [state, , pgrp] = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    return Number(pgrp) === group && state !== 'Z' && state !== 'X'
  } catch {
    return false
  }
}
