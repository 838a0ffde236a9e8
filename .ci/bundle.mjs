// Bundles the program: `dist/chunks` and `dist/plugins/NAME/index.js` hold our own code and that of most packages it
// uses, in files that are read when they are needed. What others import or run by name is a line that loads a chunk, so
// that the binary, `import ... from 'outrigger'` in a plugin and a worker thread share one set of files, and within a
// process one copy. core/modules/chunks.ts loads them.
//
// Chunks are CommonJS, since Node 20 starts that in two thirds of the time of ES modules, and V8's code for it can be
// kept. esbuild splits ES modules alone, so each of its outputs is turned into CommonJS by itself.
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join, relative, sep } from 'node:path'
import { fileURLToPath } from 'node:url'
import * as esbuild from 'esbuild'
import { lateChunks, standInsPlugin } from './stand-ins.mjs'

const root = dirname(dirname(fileURLToPath(import.meta.url)))

/** What is imported, or run, by its place in `dist`. */
const entries = [
  'plugins/bin',
  'plugins/outrigger',
  'plugins/testing',
  'core/cli/register',
  // What `npm run schema` and `npm run bench` take from a build.
  'plugins/host',
  'core/config/json-schema',
  'core/workers/buffers',
  'core/workers/pool',
  ...namedByPlace()
]

/** Files that others start a thread or a loader from: each is named in a line that says where it is, or is a worker. */
function namedByPlace() {
  const sources = ['core', 'plugins'].flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true }).map((name) => slashed(join(folder, name)))
  )
  const named = sources.filter((source) => source.endsWith('.worker.ts'))
  for (const source of sources.filter((each) => each.endsWith('.ts'))) {
    for (const line of readFileSync(join(root, source), 'utf8').split('\n')) {
      if (!line.includes('import.meta.url')) continue
      for (const [, name] of line.matchAll(/'(\.[^']*)\.js'/g))
        named.push(slashed(join(dirname(source), `${name}.ts`)))
    }
  }
  return [...new Set(named)].filter((file) => sources.includes(file)).map((file) => file.replace(/\.ts$/, ''))
}

/**
 * Installed beside the bundle, and loaded when a configuration or a command asks for them: each finds files of its own,
 * or starts threads from them, by its own place. zod's locales are the one part of it that is left out.
 */
const external = ['piscina', 'jiti', 'node-forge', '@redis/client', 'zod/locales']

// Names stay as they are: stacks are read by people.
const output = {
  platform: 'node',
  target: 'node20.18',
  minifyWhitespace: true,
  minifySyntax: true,
  logLevel: 'warning'
}

/** Stand for what is known only where a file is in the end. No word of JavaScript, since they are found by text. */
const HERE = '__OUTRIGGER_DIST__'
const RESOLVE = '__OUTRIGGER_RESOLVE__'

/** What this package's own names stand for, from `dist`: within it, where another package.json is nearer, they mean nothing. */
const exported = Object.fromEntries(
  Object.entries(JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')).exports)
    .filter(([, target]) => target.types !== undefined)
    .map(([name, target]) => [`outrigger${name.slice(1)}`, target.default.replace('./dist/', '')])
)

/** @param dist absolute; what is in it of an earlier bundle, and not of this one, is removed */
export async function bundle(dist) {
  const plugins = readdirSync(join(root, 'plugins'), { withFileTypes: true })
    .filter((entry) => entry.isDirectory() && existsSync(join(root, 'plugins', entry.name, 'index.ts')))
    .map(({ name }) => `plugins/${name}/index`)
  const { outputFiles, metafile } = await esbuild.build({
    absWorkingDir: root,
    entryPoints: [
      ...entries.map((entry) => ({ in: `${entry}.ts`, out: chunkOf(entry) })),
      ...Object.keys(lateChunks).map((name) => ({ in: `chunk:${name}`, out: `chunks/${name}` })),
      // Their files say in a stack whose they are.
      ...plugins.map((entry) => ({ in: `${entry}.ts`, out: entry }))
    ],
    chunkNames: 'chunks/[name]-[hash]',
    outdir: dist,
    write: false,
    bundle: true,
    splitting: true,
    format: 'esm',
    external,
    legalComments: 'none',
    metafile: true,
    plugins: [standInsPlugin, placesPlugin],
    ...output
  })

  const files = new Map()
  for (const { path, text } of outputFiles) {
    files.set(slashed(relative(dist, path)), await asCommonJs(text, slashed(relative(dirname(path), dist))))
  }
  const build = createHash('sha256')
  for (const text of files.values()) build.update(text)
  files.set('load.js', await loader(build.digest('hex').slice(0, 16)))
  for (const entry of entries) {
    const output = metafile.outputs[slashed(relative(root, join(dist, `${chunkOf(entry)}.js`)))]
    files.set(`${entry}.js`, stub(entry, output.exports))
  }
  // `dist` is CommonJS, in a package that is not; the types that are in it describe a module.
  files.set('package.json', '{ "type": "commonjs" }\n')
  files.set('types/package.json', '{ "type": "module" }\n')
  files.set('LICENSES.txt', licences(metafile))

  for (const [name, text] of files) {
    const file = join(dist, name)
    mkdirSync(dirname(file), { recursive: true })
    writeFileSync(file, text, name === 'plugins/bin.js' ? { mode: 0o755 } : undefined)
  }
  removeOthers(dist, files)
}

/** `import.meta.url` in a file of ours is where the file would be, had it not been bundled. */
const placesPlugin = {
  name: 'places',
  setup(build) {
    build.onLoad({ filter: /[/\\](?:core|plugins)[/\\].*\.ts$/ }, ({ path }) => {
      if (path.includes('node_modules')) return undefined
      const text = readFileSync(path, 'utf8')
      if (!text.includes('import.meta.')) return undefined
      const place = slashed(relative(root, path)).replace(/\.ts$/, '.js')
      const contents = text
        .replaceAll('import.meta.url', `new URL(${JSON.stringify(place)}, ${HERE}).href`)
        .replaceAll('import.meta.resolve', RESOLVE)
      return { contents, loader: 'ts' }
    })
  }
}

/** @param up from the file's folder to `dist` */
async function asCommonJs(text, up) {
  const here = `require("node:url").pathToFileURL(require("node:path").join(__dirname,${JSON.stringify(up)},"/"))`
  const source = text
    .replace(/^#!.*/, '')
    .replaceAll(HERE, here)
    .replaceAll(RESOLVE, `((name)=>new URL(${JSON.stringify(exported)}[name],${here}).href)`)
    .replace(/"chunk:([^"]*)"/g, `"${up}/chunks/$1.js"`)
    // A chunk is there at once. All else is for the loader to import, whose `import()` is Node's own: that of a script
    // which V8's code was kept for is nobody's on Node 20.
    .replace(/\bimport\(("\.[^"]*")\)/g, 'Promise.resolve().then(()=>require($1))')
    .replace(/(?<=await |return |[=>(])import\((?!\))/g, '__import(')
  // Neither of those, nor a method of that name.
  const odd = /(?<![.\w$#]|async )import\((?!\)).{0,40}/.exec(source)
  if (odd !== null) throw new Error(`an import() that is not seen to be one: ${odd[0]}`)
  // Node prints the line that threw.
  const { code } = await esbuild.transform(source, { format: 'cjs', lineLimit: 160, ...output })
  return `(function(exports,require,module,__filename,__dirname,__import){${code}\n})\n`
}

async function loader(build) {
  const { outputFiles } = await esbuild.build({
    stdin: {
      contents: `import { Chunks } from './core/modules/chunks.ts'
        const chunks = new Chunks(__dirname, ${JSON.stringify(build)})
        export const load = (name) => chunks.load(name)`,
      resolveDir: root
    },
    bundle: true,
    write: false,
    format: 'cjs',
    ...output
  })
  return outputFiles[0].text
}

function chunkOf(entry) {
  return `chunks/${entry.replaceAll('/', '-')}`
}

/** The line behind `0 &&` never runs: by it Node knows what can be imported by name. */
function stub(entry, names) {
  const up = '../'.repeat(entry.split('/').length - 1)
  const load = `require('${up}load.js').load('${chunkOf(entry)}.js')`
  if (entry === 'plugins/bin') return `#!/usr/bin/env node\n'use strict'\n${load}\n`
  const named = names.filter((name) => name !== 'default')
  const exported = named.length === 0 ? '' : `0 && (module.exports = { ${named.join(', ')} })\n`
  return `'use strict'\nmodule.exports = ${load}\n${exported}`
}

/** The licences of what was put into the bundle. */
function licences(metafile) {
  const folders = new Set()
  for (const input of Object.keys(metafile.inputs)) {
    const folder = /^(.*node_modules\/(?:@[^/]+\/)?[^/]+)\//.exec(input)?.[1]
    if (folder !== undefined && !input.includes(':')) folders.add(folder)
  }
  const parts = [...folders].sort().map((folder) => {
    const { name, version, license } = JSON.parse(readFileSync(join(root, folder, 'package.json'), 'utf8'))
    const file = readdirSync(join(root, folder)).find((each) => /^licen[cs]e/i.test(each))
    const text = file === undefined ? '' : `\n\n${readFileSync(join(root, folder, file), 'utf8').trim()}`
    return `${name} ${version}: ${license}${text}\n`
  })
  const head = 'The files in this folder contain code of these packages, under the licences given.\n\n'
  return head + parts.join(`\n${'-'.repeat(80)}\n\n`)
}

/** Files of an earlier build, and what was kept for it. The types are tsc's. */
function removeOthers(dist, files) {
  rmSync(join(dist, '.cache'), { recursive: true, force: true })
  const within = (folder) => {
    for (const entry of readdirSync(folder, { withFileTypes: true })) {
      const path = join(folder, entry.name)
      const name = slashed(relative(dist, path))
      if (name === 'types' || name.startsWith('.')) continue
      if (!entry.isDirectory()) {
        if (!files.has(name)) rmSync(path)
        continue
      }
      within(path)
      if (readdirSync(path).length === 0) rmSync(path, { recursive: true })
    }
  }
  within(dist)
}

function slashed(path) {
  return path.split(sep).join('/')
}
