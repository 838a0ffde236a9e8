import { readFileSync } from 'node:fs'
import { sep } from 'node:path'
import { fileURLToPath } from 'node:url'
import { isTypeScript } from '../modules/format.js'

export interface LoadContext {
  readonly conditions?: readonly string[]
}

export interface Loaded {
  readonly format: string
  readonly source: string
  readonly shortCircuit: boolean
}

// Named and not imported: these hooks may run in a thread of their own, and what they name runs in the main one.
const LOADER = new URL('./register-loader.js', import.meta.url).href

const DECLARED =
  /^[ \t]*export\s+(?:declare\s+)?(?:abstract\s+)?(?:async\s+)?(?:const\s+enum|const|let|var|class|enum|namespace|function\s*\*?)\s+([\w$]+)/gm
const LISTED = /^[ \t]*export\s*(?:\*\s*as\s+([\w$]+)|\{([^}]*)\})/gm

/**
 * What Node is given for one of the author's TypeScript files: a module that has it from our loader, as `outrigger run`
 * has it. Undefined for everything else, which is Node's: JavaScript, and whatever is in `node_modules`. A `require` is
 * Node's too, as it cannot wait.
 */
export function standIn(url: string, { conditions }: LoadContext): Loaded | undefined {
  if (!url.startsWith('file:') || conditions?.includes('require') === true) return undefined
  const file = fileURLToPath(url)
  if (!isTypeScript(file) || file.includes(`${sep}node_modules${sep}`)) return undefined
  const lines = [
    `import { loader } from ${JSON.stringify(LOADER)}`,
    `const found = await loader.import(${JSON.stringify(file)})`,
    'export default found.default'
  ]
  for (const [i, name] of exportedNames(readFileSync(file, 'utf8')).entries()) {
    lines.push(`const e${i} = found.${name}`, `export { e${i} as ${name} }`)
  }
  return { format: 'module', source: lines.join('\n'), shortCircuit: true }
}

/** The hook itself, for `module.register`. */
export async function load(
  url: string,
  context: LoadContext,
  next: (url: string, context: LoadContext) => Promise<Loaded>
): Promise<Loaded> {
  return standIn(url, context) ?? next(url, context)
}

/** For JavaScript that imports the file by names. One too many is `undefined` there, and does no harm. */
function exportedNames(source: string): Set<string> {
  const names = new Set<string>()
  for (const [, name] of source.matchAll(DECLARED)) names.add(name as string)
  for (const [, namespace, list = ''] of source.matchAll(LISTED)) {
    for (const item of namespace === undefined ? list.split(',') : [namespace]) {
      const name = /(?:^|\s)([\w$]+)\s*$/.exec(item)?.[1]
      if (name !== undefined && !/^\s*type\s+[\w$]/.test(item)) names.add(name)
    }
  }
  names.delete('default')
  return names
}
