// The system's own accounting of processor time. A process counts with all its threads.
import { execFileSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'

let perSecond: number | undefined

/** What `/proc/PID/stat` says of a process. */
export interface Stat {
  readonly parent: number
  /** Clock ticks of processor time, user and system. */
  readonly ticks: number
  /** Likewise, of its children that have ended and those of theirs. */
  readonly childTicks: number
  readonly threads: number
}

/** @param text of `/proc/PID/stat` */
export function readStat(text: string): Stat {
  // The second field is the program's name, which may hold anything; the third begins behind its bracket.
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
  return {
    parent: Number(fields[1]),
    ticks: Number(fields[11]) + Number(fields[12]),
    childTicks: Number(fields[13]) + Number(fields[14]),
    threads: Number(fields[17])
  }
}

/** Undefined where the system does not say, or of a process that has ended. */
export function statOf(pid: number): Stat | undefined {
  try {
    return readStat(readFileSync(`/proc/${pid}/stat`, 'utf8'))
  } catch {
    return undefined
  }
}

/** Seconds of processor time, user and system, that a process has had; undefined where the system does not say. */
export function cpuSeconds(pid: number): number | undefined {
  return inSeconds(statOf(pid)?.ticks)
}

/** Likewise of its children that have ended. */
export function endedChildrenSeconds(pid: number): number | undefined {
  return inSeconds(statOf(pid)?.childTicks)
}

function inSeconds(ticks: number | undefined): number | undefined {
  if (ticks === undefined) return undefined
  perSecond ??= Number(execFileSync('getconf', ['CLK_TCK'], { encoding: 'utf8' }))
  return ticks / perSecond
}

/** A process and all that it has started, and those have, itself first. */
export function familyOf(pid: number): number[] {
  const children = new Map<number, number[]>()
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue
    const parent = statOf(Number(name))?.parent
    if (parent === undefined) continue
    const siblings = children.get(parent) ?? []
    siblings.push(Number(name))
    children.set(parent, siblings)
  }
  const family = [pid]
  for (let at = 0; at < family.length; at++) family.push(...(children.get(family[at] as number) ?? []))
  return family
}

/** Likewise of several processes together; NaN when one is not known. */
export function cpuOfAll(pids: readonly number[]): number {
  return pids.reduce((sum, pid) => sum + (cpuSeconds(pid) ?? Number.NaN), 0)
}
