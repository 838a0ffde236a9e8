import { setPriority } from 'node:os'

/** Of Linux's 20 to -19: a thread of this gets a tenth of what the event loop gets where both want a core. */
const NICENESS = 10

/**
 * Has the calling thread stand back for the event loop where there are not enough cores for both. On Linux alone: elsewhere a
 * priority is the whole process's.
 */
export function standBack(): void {
  if (process.platform !== 'linux') return
  try {
    // There, 0 is the calling thread.
    setPriority(0, NICENESS)
  } catch {
    // A sandbox may forbid it; the work is done all the same.
  }
}
