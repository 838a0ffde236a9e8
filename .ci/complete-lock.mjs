// A registry that mirrors one platform alone makes npm leave the other platforms' optional packages out of the lock
// file, and `npm ci` then refuses it. This adds them, by what the package that wants them says of them, so that the
// lock file is right on every platform. Run it after an `npm install` that changed the lock file.
import { readFileSync, writeFileSync } from 'node:fs'

const file = new URL('../package-lock.json', import.meta.url)
const lock = JSON.parse(readFileSync(file, 'utf8'))

const systems = new Set([
  'aix',
  'android',
  'darwin',
  'freebsd',
  'linux',
  'netbsd',
  'openbsd',
  'openharmony',
  'sunos',
  'win32'
])
const processors = new Map(
  ['arm', 'arm64', 'ia32', 'loong64', 'mips64el', 'ppc64', 'riscv64', 's390x', 'x64'].map((name) => [
    name,
    name
  ])
).set('ppc64le', 'ppc64')
const libraries = new Map([
  ['gnu', 'glibc'],
  ['gnueabihf', 'glibc'],
  ['musl', 'musl'],
  ['musleabihf', 'musl']
])

/** `@oxc-parser/binding-linux-x64-musl` says all that npm needs to know of it. */
function platformOf(name) {
  const words = name.slice(name.lastIndexOf('/') + 1).split('-')
  const os = words.find((word) => systems.has(word))
  const cpu = processors.get(words.find((word) => processors.has(word)))
  const libc = libraries.get(words.at(-1))
  if (os === undefined || cpu === undefined) throw new Error(`${name}: which platform is it for?`)
  return { cpu: [cpu], ...(libc && os === 'linux' && { libc: [libc] }), os: [os] }
}

const added = []
for (const [place, entry] of Object.entries(lock.packages)) {
  for (const [name, version] of Object.entries(entry.optionalDependencies ?? {})) {
    const target = `node_modules/${name}`
    if (lock.packages[target] || lock.packages[`${place}/${target}`]) continue
    if (!/^\d+\.\d+\.\d+$/.test(version)) throw new Error(`${name}: ${version} is not an exact version`)
    const { cpu, ...rest } = platformOf(name)
    lock.packages[target] = { version, cpu, ...(entry.dev && { dev: true }), optional: true, ...rest }
    added.push(`${name}@${version}`)
  }
}
const sorted = Object.entries(lock.packages).sort(([a], [b]) => a.localeCompare(b, 'en'))
lock.packages = Object.fromEntries(sorted)
writeFileSync(file, `${JSON.stringify(lock, null, 2)}\n`)
console.log(added.length === 0 ? 'nothing was missing' : `added ${added.join(', ')}`)
