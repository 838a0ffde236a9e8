import type { Pace } from '../hooks/pace.js'
import { checkPartNow } from './check-part.js'
import { isPlain } from './document.js'
import type { Substituted } from './environment.js'
import { checkNow, type Finding, type Outcome } from './issues.js'
import type { Path } from './path.js'
import { type FileConfig, fileSchema, listedEndpoint, name, route, service } from './schema.js'

/** Services, endpoints of one of them, and routes that are checked in one go: some 2 ms. */
const FEW = 100

type ServiceShape = FileConfig['services'][string]

/** The shape of a whole file. Of many services and routes each is checked by itself, with pauses between them. */
export async function checkFile(
  value: unknown,
  typed: Substituted['typed'],
  pace: Pace
): Promise<Outcome<FileConfig>> {
  if (!isPlain(value)) return checkPartNow(fileSchema, value, [], typed)
  const routes = Array.isArray(value.routes) && value.routes.length > FEW ? value.routes : []
  const listed = isPlain(value.services) ? value.services : {}
  const services = Object.keys(listed)
  const large = services.length > FEW || services.some((key) => endpointsOf(listed[key]) !== undefined)
  if (routes.length === 0 && !large) return checkPartNow(fileSchema, value, [], typed)
  const rest = { ...value, services: {} }
  const file = checkPartNow(fileSchema, routes.length === 0 ? rest : { ...rest, routes: [] }, [], typed)
  const findings: Finding[] = 'findings' in file ? [...file.findings] : []
  const checked: [FileConfig['routes'], FileConfig['services']] = [[], {}]
  for (const key of services) {
    const path = ['services', key]
    const called = checkNow(name, key)
    if ('findings' in called)
      findings.push({ path, point: 'key', message: called.findings[0]?.message ?? 'not a name' })
    else {
      const outcome = await checkService(listed[key], path, typed, pace)
      if ('value' in outcome) checked[1][key] = outcome.value
      else add(findings, path, outcome.findings)
    }
    if (pace.due) await pace.turn()
  }
  for (const [index, each] of routes.entries()) {
    const path = ['routes', index]
    const outcome = checkPartNow(route, each, path, typed)
    if ('value' in outcome) checked[0].push(outcome.value)
    else add(findings, path, outcome.findings)
    if (pace.due) await pace.turn()
  }
  if (findings.length > 0 || 'findings' in file) return { findings }
  return {
    value: {
      ...file.value,
      services: checked[1],
      routes: routes.length === 0 ? file.value.routes : checked[0]
    }
  }
}

async function checkService(
  value: unknown,
  path: Path,
  typed: Substituted['typed'],
  pace: Pace
): Promise<Outcome<ServiceShape>> {
  const endpoints = endpointsOf(value)
  if (endpoints === undefined) return checkPartNow(service, value, path, typed)
  const own = checkPartNow(service, { ...(value as object), endpoints: [] }, path, typed)
  const findings: Finding[] = 'findings' in own ? [...own.findings] : []
  const checked: ServiceShape['endpoints'] = []
  for (const [index, each] of endpoints.entries()) {
    const outcome = checkPartNow(listedEndpoint, each, [...path, 'endpoints', index], typed)
    if ('value' in outcome) checked.push(outcome.value)
    else add(findings, ['endpoints', index], outcome.findings)
    if (pace.due) await pace.turn()
  }
  if (findings.length > 0 || 'findings' in own) return { findings }
  return { value: { ...own.value, endpoints: checked } }
}

/** Of a service that has many. */
function endpointsOf(value: unknown): readonly unknown[] | undefined {
  if (!isPlain(value) || !Array.isArray(value.endpoints) || value.endpoints.length <= FEW) return undefined
  return value.endpoints
}

function add(findings: Finding[], base: Path, more: readonly Finding[]): void {
  for (const finding of more) findings.push({ ...finding, path: [...base, ...finding.path] })
}
