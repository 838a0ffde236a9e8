// All modes, in the order that a whole run takes them. Each is loaded when it runs.
import type { Bench, Mode } from './mode.js'
import type { Outcome } from './outcome.js'

type Run = (bench: Bench) => Promise<Outcome>

const issue = (name: string, title: string, run: Run): Mode => ({ name, title, inWhole: true, run })
const alone = (name: string, title: string, run: Run): Mode => ({ name, title, inWhole: false, run })

export const modes: readonly Mode[] = [
  issue('peers', 'Beside other proxies', async (bench) => (await import('./matrix/peers.js')).peers(bench)),
  issue('scenarios', 'One thing varied at a time', async (bench) =>
    (await import('./matrix/peers.js')).otherScenarios(bench)
  ),
  issue('plugins', 'What plugins cost', async (bench) =>
    (await import('./matrix/plugins.js')).plugins(bench)
  ),
  issue('hooks', 'What plugins cost without sockets', async (bench) =>
    (await import('./hooks-mode.js')).hooksMode(bench)
  ),
  issue('protocols', 'HTTP/2, gRPC and WebSocket', async (bench) =>
    (await import('./protocols/mode.js')).protocols(bench)
  ),
  issue('fixed', 'At a thousand requests a second', async (bench) =>
    (await import('./fixed/fixed.js')).fixed(bench)
  ),
  issue('collapse', 'Many connections', async (bench) =>
    (await import('./collapse/collapse.js')).collapse(bench)
  ),
  issue('soak', 'Mixed load for long', async (bench) => (await import('./collapse/soak.js')).soak(bench)),
  issue('growth', 'Many routes and endpoints', async (bench) =>
    (await import('./growth/growth.js')).growth(bench)
  ),
  issue('event-loop', 'What a route feels of the heavy work on another', async (bench) =>
    (await import('./event-loop/mode.js')).eventLoop(bench)
  ),
  issue('start', 'Start, and at rest', async (bench) => (await import('./start/start.js')).startMode(bench)),
  issue('processes', 'More than one process', async (bench) =>
    (await import('./processes/processes.js')).processes(bench)
  ),
  issue('profile', "Where a request's time goes", async (bench) =>
    (await import('./profile/mode.js')).profileMode(bench)
  ),
  alone('regress', 'Beside another build', async (bench) =>
    (await import('./regress/regress.js')).regress(bench)
  ),
  alone('h2load', 'A hundred thousand requests over HTTP/2', async (bench) =>
    (await import('./protocols/mode.js')).h2loadMode(bench)
  ),
  alone('memory', 'Large bodies', async (bench) => (await import('./memory/report.js')).memory(bench)),
  alone('idle', 'Connections on which nothing happens', async (bench) =>
    (await import('./memory/report.js')).idle(bench)
  ),
  alone('picks', 'What choosing an endpoint costs', async (bench) =>
    (await import('./balance/picks.js')).picks(bench)
  ),
  alone('slow-endpoint', 'One slow endpoint of five', async (bench) =>
    (await import('./balance/slow-endpoint.js')).slowEndpoint(bench)
  )
]
