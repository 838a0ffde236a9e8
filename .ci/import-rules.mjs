// Holds the rules of who may import whom, and two of how files are named and sized.
//
//   node .ci/import-rules.mjs [FOLDER]     the repository, or another of the same layout; exit 1 when a rule is broken
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join, posix } from 'node:path'
import { fileURLToPath } from 'node:url'
import ts from 'typescript'

/**
 * The core's layers, the highest first. A file imports from its own layer and from lower ones. A type counts like a
 * value. A file stands in the layer that names it, or its folder, most closely.
 */
const layers = [
  ['index.ts'], // the public face: for plugins and for users, and for nothing in the core
  ['cli', 'cluster'],
  ['testing'],
  ['server'],
  ['admin'],
  ['config'],
  ['pipeline', 'route'],
  ['exchange', 'service'],
  ['tls', 'upgrade', 'metrics', 'modules', 'log', 'workers', 'http1'],
  // What a checked configuration, a running proxy and the program around it look like: types for every layer above.
  ['config/types.ts', 'config/problem.ts', 'pipeline/start-error.ts', 'server/types.ts', 'host.ts'],
  ['hooks', 'errors.ts']
]
const sources = ['core', 'plugins', 'test', 'bench', 'examples', '.ci']
const emptyNames = new Set(['common', 'helper', 'helpers', 'manager', 'managers', 'misc', 'util', 'utils'])
const longestFile = 350

const root = process.argv[2] ?? dirname(dirname(fileURLToPath(import.meta.url)))
const files = sources.flatMap((folder) => (existsSync(join(root, folder)) ? filesIn(folder) : []))
const problems = []
const warnings = []

for (const file of files) {
  const words = posix.basename(file).split(/[.-]/)
  const empty = words.find((word) => emptyNames.has(word))
  if (empty) problems.push(`${file}: "${empty}" says nothing of what is in a file; name its subject`)
  if (!/^(core|plugins)\/.*\.[cm]?ts$/.test(file)) continue

  const text = readFileSync(join(root, file), 'utf8')
  const lines = text.split('\n').length - 1
  if (lines > longestFile)
    warnings.push(`${file}: ${lines} lines; past ${longestFile} it holds more than one subject`)
  for (const { fileName: specifier, pos } of ts.preProcessFile(text, true, true).importedFiles) {
    const broken = file.startsWith('core/') ? brokenInCore(file, specifier) : brokenInPlugins(file, specifier)
    if (broken) problems.push(`${file}:${text.slice(0, pos).split('\n').length}: '${specifier}': ${broken}`)
  }
}

for (const warning of warnings) console.log(`warning: ${warning}`)
for (const problem of problems) console.log(problem)
console.log(`${files.length} files, ${problems.length} against the rules`)
process.exitCode = problems.length === 0 ? 0 : 1

function brokenInCore(file, specifier) {
  if (isOurPackage(specifier)) return 'the core imports its own files by path'
  const target = resolve(file, specifier)
  if (target === undefined) return undefined
  if (!target.startsWith('core/'))
    return 'the core never imports from outside itself; the binary hands plugins in'
  const [from, to] = [layerOf(file), layerOf(target)]
  for (const [path, layer] of [
    [file, from],
    [target, to]
  ]) {
    if (layer === -1) return `${path} stands in no layer; give it one in .ci/import-rules.mjs`
  }
  if (to < from) return `${layers[to].join(', ')} is above ${layers[from].join(', ')}; imports go down`
  return undefined
}

function brokenInPlugins(file, specifier) {
  const [, folder] = /^(plugins\/[^/]+\/)/.exec(file) ?? []
  // The files right in plugins/ put the program together from all there is.
  if (folder === undefined) return undefined
  if (isOurPackage(specifier)) return "a plugin in here imports '../../core/index.js', which is the same copy"
  const target = resolve(file, specifier)
  if (target === undefined || target === 'core/index.ts' || target.startsWith(folder)) return undefined
  if (target.startsWith('core/'))
    return "a plugin imports the core's public face alone, '../../core/index.js'"
  if (target.startsWith('plugins/')) return 'a plugin imports no other plugin'
  return 'a plugin imports the public face, its own folder and packages'
}

function isOurPackage(specifier) {
  return specifier === 'outrigger' || specifier.startsWith('outrigger/')
}

/** The file that a relative specifier means, from the root; undefined for a package. */
function resolve(file, specifier) {
  if (!specifier.startsWith('.')) return undefined
  return posix.join(posix.dirname(file), specifier).replace(/\.([cm]?)js$/, '.$1ts')
}

function layerOf(file) {
  const path = file.slice('core/'.length)
  const exact = layers.findIndex((layer) => layer.includes(path))
  return exact === -1 ? layers.findIndex((layer) => layer.includes(path.split('/')[0])) : exact
}

function filesIn(folder) {
  return readdirSync(join(root, folder), { withFileTypes: true }).flatMap((entry) => {
    const path = posix.join(folder, entry.name)
    if (entry.name === 'node_modules') return []
    return entry.isDirectory() ? filesIn(path) : [path]
  })
}
