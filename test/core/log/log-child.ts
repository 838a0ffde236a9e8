import { createLogger } from '../../../core/log/logger.js'

/** Writes as many lines as it is told, says on standard output how long the slowest took in ms, and ends. */
const log = createLogger()
let slowest = 0
for (let i = 0; i < Number(process.argv[2]); i++) {
  const start = performance.now()
  log.warn({ filler: 'x'.repeat(100) }, `line ${i}`)
  slowest = Math.max(slowest, performance.now() - start)
}
setTimeout(() => {
  process.stdout.write(String(slowest), () => process.exit(0))
}, 300)
