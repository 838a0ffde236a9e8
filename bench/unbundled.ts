// A build of which each source is a file of its own. What is bundled cannot be told apart by a profiler, and no part of it
// can be measured by itself.
import { copyFileSync, existsSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { output } from './children.js'
import { root } from './machine.js'

const FOLDER = join(root, 'bench/.build')
/** Stands for them all: no bundle has it. */
const PART = 'core/server/accept.js'

let made: Promise<string> | undefined

/**
 * The same build where it is no bundle, and otherwise one of this checkout's sources, compiled into `bench/.build`.
 *
 * @throws Error with what the compiler says
 */
export function unbundled(build: string, say: (text: string) => void): Promise<string> {
  if (existsSync(join(build, PART))) return Promise.resolve(build)
  made ??= compile(say)
  return made
}

async function compile(say: (text: string) => void): Promise<string> {
  say('compiling the sources into bench/.build, since the build is a bundle')
  const tsc = join(root, 'node_modules/typescript/bin/tsc')
  const info = join(FOLDER, '.tsbuildinfo')
  const build = join(FOLDER, 'dist')
  mkdirSync(build, { recursive: true })
  // A build looks for its own version beside itself.
  copyFileSync(join(root, 'package.json'), join(FOLDER, 'package.json'))
  const settings = ['--declaration', 'false', '--incremental', '--tsBuildInfoFile', info]
  await output(process.execPath, [tsc, '-p', root, '--outDir', build, ...settings])
  return build
}
