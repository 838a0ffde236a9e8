import { execFileSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { ended, eventually, Listing } from './listing.js'

/** Logs as many lines as it is told to a destination, and ends as it is told, in the same turn. */
const [destination = '', lines = '0', how = 'end', probe = ''] = process.argv.slice(2)

// From source, the writer's thread is compiled as it starts, which takes what time the machine leaves it.
const first = new Listing({ destination: probe })
first.finish(...ended())
if (!(await eventually(() => existsSync(probe), 60))) process.exit(2)

// A program started with our standard output makes the pipe they share block again.
execFileSync('true', { stdio: ['ignore', 'inherit', 'ignore'] })

const listing = new Listing({ destination, fields: ['requestId'] })
for (let i = 0; i < Number(lines); i++) listing.finish(...ended({ id: `id-${i}` }))
if (how === 'exit') process.exit(0)
if (how === 'throw') throw new Error('uncaught')
