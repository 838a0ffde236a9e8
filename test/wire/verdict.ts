import { fieldOf } from '../support/raw-upstream.js'
import type { Expectation, Observation } from './case.js'

/** What is not as expected: a line each. */
export function problemsOf(expected: Expectation, seen: Observation): string[] {
  const problems: string[] = []
  const differs = (what: string, got: unknown, wanted: unknown) => {
    const [a, b] = [JSON.stringify(got) ?? 'nothing', JSON.stringify(wanted) ?? 'nothing']
    if (a !== b) problems.push(`${what}: got ${short(a)}, wanted ${short(b)}`)
  }
  const { statuses, end, upstream, fields = {}, uploads, bodies, complete = true } = expected
  if (statuses !== undefined) {
    const fits =
      statuses.length === seen.statuses.length &&
      statuses.every((one, i) => (typeof one === 'number' ? [one] : one).includes(seen.statuses[i] as number))
    if (!fits) problems.push(`statuses: got [${seen.statuses}], wanted ${JSON.stringify(statuses)}`)
  }
  if (end !== undefined) differs('the connection', seen.end, end)
  // Pipelined requests are on their way side by side: which arrives first is anyone's guess.
  const arrived = [...seen.upstream].sort((a, b) => (a.target < b.target ? -1 : 1))
  if (upstream !== undefined) {
    const wanted = upstream === 'nothing' ? [] : upstream
    differs('upstream', arrived.map(({ method, target }) => `${method} ${target}`).sort(), [...wanted].sort())
  }
  for (const [name, value] of Object.entries(fields)) {
    const [first] = seen.upstream
    if (first !== undefined) differs(`upstream’s ${name}`, fieldOf(first, name), value)
  }
  if (uploads !== undefined)
    differs(
      'uploads',
      arrived.map(({ body }) => body.toString('latin1')),
      uploads
    )
  if (bodies !== undefined) differs('bodies', seen.bodies, bodies)
  for (const pattern of expected.holds ?? [])
    if (!pattern.test(seen.text)) problems.push(`no ${pattern} in ${short(seen.text)}`)
  for (const pattern of expected.lacks ?? [])
    if (pattern.test(seen.text)) problems.push(`${pattern} in ${short(seen.text)}`)
  if (statuses !== undefined && seen.statuses.length > 0) differs('the answer’s end', seen.complete, complete)
  const also = expected.also?.(seen)
  if (also !== undefined) problems.push(also)
  // These hold of every case: what goes out can be read in one way, and nobody else is served differently for it.
  for (const violation of seen.violations)
    problems.push(`the upstream could not read it: ${short(violation)}`)
  if (seen.bystander !== undefined)
    problems.push(`another client was answered ${JSON.stringify(seen.bystander)}`)
  return problems
}

function short(text: string): string {
  return text.length > 300 ? `${text.slice(0, 300)}… (${text.length})` : text
}
