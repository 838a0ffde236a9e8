// The public face: what a plugin, a configuration module and a program around the proxy may import.

export { z } from 'zod'
export { type ConfigInput, defineConfig } from './config/define.js'
export { ConfigError, formatProblem, type Problem } from './config/problem.js'
export { duration, size } from './config/units.js'
export { type ErrorCode, ProxyError, type ProxyErrorOptions } from './errors.js'
export { GRPC_STATUS, type GrpcStatusName, grpcStatusName } from './exchange/grpc.js'
export type { Clock, ClockTimer } from './hooks/clock.js'
export { readCookie } from './hooks/cookie.js'
export {
  Hedge,
  type HedgeOptions,
  Reply,
  type ReplyBody,
  type ReplyOptions,
  Retry,
  type RetryOptions
} from './hooks/decisions.js'
export { isSettable } from './hooks/field.js'
export { type Key, key } from './hooks/key.js'
export {
  type AnyFunction,
  type Arrangement,
  type CheckContext,
  type ConfigFault,
  type ConfigOf,
  type ConfigSchema,
  type CounterCell,
  definePlugin,
  type EndpointSpec,
  type FetchInit,
  type FetchResult,
  type GaugeCell,
  type HistogramCell,
  type Limit,
  type Logger,
  type MetricFamily,
  type MetricOptions,
  type Metrics,
  type Place,
  type Plugin,
  type PluginDefinition,
  type ServiceHandle,
  type ServiceInfo,
  type ServiceLimits,
  type SetupContext,
  type WorkerFunction,
  type WorkerOptions
} from './hooks/plugin.js'
export { readParameter } from './hooks/query.js'
export { RollingWindow } from './hooks/rolling-window.js'
export { isFailedCall, isServiceFault } from './hooks/service-fault.js'
export { compileTemplate, type Template, type TemplateKind } from './hooks/template.js'
export type {
  Attempt,
  AttemptEnd,
  Body,
  BodyDeclaration,
  BreakerState,
  Client,
  ClientCertificate,
  Endpoint,
  Exchange,
  ExchangeRequest,
  HeaderList,
  HookName,
  PluginHooks,
  ProxyResponse,
  Result,
  RouteInfo,
  UpgradedConnection,
  UpgradedMessage
} from './hooks/types.js'
export {
  type EndpointView,
  type Explanation,
  type PluginView,
  type Proxy,
  type RouteView,
  type ServiceView,
  StartError
} from './server/types.js'
