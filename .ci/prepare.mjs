// Makes a checkout ready to run: what the lock file names is installed, and `dist` is what the sources say. Only Node
// is needed, since on a fresh clone there is nothing else; and where nothing is to be done it takes milliseconds.
import { spawn } from 'node:child_process'
import { existsSync, readdirSync, readFileSync, rmSync, statSync, utimesSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'

export const root = dirname(dirname(fileURLToPath(import.meta.url)))

const lockFile = join(root, 'package-lock.json')
const dist = join(root, 'dist')
const types = join(dist, 'types')
// Written by tsc alone, and only by the build: its time says how old `dist` is.
const buildInfo = join(dist, '.tsbuildinfo')

/** Installs and builds as far as needed. Ends the process with a message when either fails. */
export async function prepare() {
  await install()
  await build()
}

/** Runs `npm ci` when what is installed is not what the lock file names. */
export async function install() {
  if (isInstalled()) return
  // What is optional depends on the platform.
  const wanted = Object.entries(packagesOf(lockFile))
    .filter(([place, { optional }]) => place !== '' && !optional)
    .map(([place]) => place)
  const npm = process.platform === 'win32' ? 'npm.cmd' : 'npm'
  await step(
    `installing ${wanted.length} packages from package-lock.json`,
    npm,
    ['ci', '--prefer-offline', '--no-audit', '--no-fund', '--no-progress', '--loglevel=error'],
    () =>
      `${wanted.filter((place) => existsSync(join(root, place, 'package.json'))).length} of ${wanted.length} packages`
  )
}

/**
 * Makes `dist` of the sources: types by tsc, which checks them, and the program by esbuild. @param force also when
 * nothing has changed since the last time
 */
export async function build({ force = false } = {}) {
  if (!force && isBuilt()) return
  const started = new Date()
  const tsc = join(root, 'node_modules/typescript/bin/tsc')
  // tsc writes what has changed since it last did, and does not look whether the rest is there.
  if (!existsSync(types)) rmSync(buildInfo, { force: true })
  await step('building dist', process.execPath, [
    ...[tsc, '--emitDeclarationOnly', '--outDir', types],
    ...['--incremental', '--tsBuildInfoFile', buildInfo]
  ])
  removeOrphans(types)
  // Loaded late: a fresh clone has nothing that it imports.
  const { bundle } = await import('./bundle.mjs')
  await bundle(dist)
  // tsc leaves its file as it is when a source was touched and not changed. The time is the start's: what was saved
  // while tsc ran is newer.
  utimesSync(buildInfo, started, started)
}

/** Compares the two lock files' contents and not their times: a checkout or a copy makes every file new. */
export function isInstalled() {
  let installed
  try {
    installed = packagesOf(join(root, 'node_modules/.package-lock.json'))
  } catch {
    return false
  }
  return Object.entries(packagesOf(lockFile)).every(([place, wanted]) => {
    if (place === '') return true
    if (installed[place] === undefined) return wanted.optional === true
    return installed[place].version === wanted.version
  })
}

export function isBuilt() {
  if (!existsSync(buildInfo) || !existsSync(join(dist, 'plugins/bin.js'))) return false
  const builtAt = statSync(buildInfo).mtimeMs
  // The bundle has packages in it.
  const others = ['tsconfig.json', 'package-lock.json', '.ci/bundle.mjs', '.ci/stand-ins.mjs']
  const changedAt = Math.max(...others.map((name) => timeOf(join(root, name))))
  return newest(join(root, 'core'), newest(join(root, 'plugins'), changedAt)) <= builtAt
}

function packagesOf(file) {
  return JSON.parse(readFileSync(file, 'utf8')).packages
}

function timeOf(file) {
  return statSync(file).mtimeMs
}

/** Folders count too: theirs is the time of a file's removal. */
function newest(folder, known) {
  let time = Math.max(known, timeOf(folder))
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name)
    if (entry.isDirectory()) time = newest(path, time)
    else if (entry.name.endsWith('.ts')) time = Math.max(time, timeOf(path))
  }
  return time
}

/** tsc never deletes: without this, a renamed source would be packed under both names. */
function removeOrphans(folder) {
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name)
    if (entry.isDirectory()) {
      removeOrphans(path)
      if (readdirSync(path).length === 0) rmSync(path, { recursive: true })
    } else {
      const source = join(root, relative(types, path)).replace(/\.d\.ts$/, '.ts')
      if (path.endsWith('.d.ts') && !existsSync(source)) rmSync(path)
    }
  }
}

/** Runs one command under a line that says what, then how far every few seconds, then how long it took. */
function step(title, command, args, progress) {
  const started = Date.now()
  const seconds = () => `${Math.round((Date.now() - started) / 1000)} s`
  console.log(`${title} ...`)
  const ticker = setInterval(() => {
    console.log(`  ${[progress?.(), seconds()].filter(Boolean).join(', ')}`)
  }, 3000)
  return new Promise((resolve) => {
    const child = spawn(command, args, { cwd: root, stdio: ['ignore', 'inherit', 'inherit'] })
    child.on('error', (error) => fail(`${title}: ${command} cannot be run: ${error.message}`, 1))
    child.on('exit', (code, signal) => {
      clearInterval(ticker)
      if (code !== 0) fail(`${title}: failed, ${signal ?? `exit code ${code}`}`, code ?? 1)
      console.log(`  done in ${seconds()}`)
      resolve()
    })
  })
}

function fail(message, code) {
  console.error(message)
  process.exit(code)
}
