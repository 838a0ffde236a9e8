import { z } from 'outrigger'

/** Where the work is done: on a worker thread, or on the event loop with everything else. */
export const where = z.object({ where: z.enum(['worker', 'inline']) })
