// What `outrigger/testing` gives: a plugin run without sockets, and a proxy with them.

export type { LogLine } from './captured-log.js'
export type { UpstreamAnswer, UpstreamHandler, UpstreamSeen } from './fake-upstream.js'
export type { Listed, RunOptions } from './run-config.js'
export { type AttemptSeen, type PluginRun, type RunResult, runPlugin } from './run-plugin.js'
export type { SentRequest } from './sockets.js'
export { type StartedProxy, startProxyWith } from './start-proxy.js'
export { VirtualClock } from './virtual-clock.js'
