// What stands in the bundle for parts of packages, and of Node, that the program never uses or seldom does. A package
// asks for all it might need as it is loaded; most of the time and memory of a start went there.
import { readFileSync } from 'node:fs'
import * as http2 from 'node:http2'
import { createRequire } from 'node:module'
import { dirname } from 'node:path'

const require = createRequire(import.meta.url)

const ours = /[/\\](?:core|plugins)[/\\](?:(?!node_modules).)*\.ts$/
const anyone = /./

/** Files of a package, wherever it was installed. */
function of(name) {
  return new RegExp(`[/\\\\]node_modules[/\\\\]${name.replace('/', '[/\\\\]')}[/\\\\]`)
}

function folder(name) {
  return dirname(require.resolve(`${name}/package.json`))
}

/** A function that says why it is not the real one. */
function refusing(why) {
  return `() => { throw new Error(${JSON.stringify(`left out of the bundle: ${why}`)}) }`
}

/**
 * Each: what is asked for, by whom, and the text of what they get. `from` is the folder that its own `require` starts at;
 * what it requires within a function is loaded when that runs. What our own files ask for is an ES module: then a name
 * that it does not have fails the build.
 */
const standIns = [
  // Fastify: no route of ours has a schema, and none is injected into.
  {
    asked: /^@fastify\/(?:ajv-compiler|fast-json-stringify-compiler)$/,
    by: of('fastify'),
    text: `module.exports = () => ${refusing('schemas of Fastify routes')}`
  },
  {
    asked: /^light-my-request$/,
    by: of('fastify'),
    text: `module.exports = ${refusing('inject() of Fastify')}`
  },
  // Whether Fastify is one that http-proxy works with, the lock file has settled.
  {
    asked: /^semver$/,
    by: of('fastify'),
    text: 'module.exports = { satisfies: () => true, gt: () => false, coerce: (version) => version }'
  },
  {
    asked: /^node:perf_hooks$/,
    by: of('fastify'),
    text: 'exports.performance = globalThis.performance'
  },
  // http-proxy and reply-from: the core answers before their handlers, so that they neither connect nor upgrade.
  {
    asked: /^ws$/,
    by: of('@fastify/http-proxy'),
    text: `module.exports = ${refusing('WebSockets of http-proxy')}`
  },
  {
    asked: /^undici$/,
    by: of('@fastify/reply-from'),
    text: `
      class Unused { destroy() {} }
      for (const name of ['Agent', 'BalancedPool', 'Client', 'Dispatcher', 'Pool', 'ProxyAgent']) exports[name] = Unused
      exports.getGlobalDispatcher = ${refusing('requests of reply-from')}`
  },
  // undici: a client for HTTP/1.1 whose bodies are bytes and streams, loaded for the first connection.
  {
    asked: /^undici$/,
    by: ours,
    from: folder('undici'),
    text: `
      export const errors = require('./lib/core/errors.js')
      export function buildConnector(options) { return require('./lib/core/connect.js')(options) }
      export function Client(...args) { return new (require('chunk:undici').client())(...args) }
      export function Pool(...args) { return new (require('chunk:undici').pool())(...args) }`
  },
  {
    asked: /[/\\]client-h2\.js$/,
    by: of('undici'),
    text: `module.exports = ${refusing('HTTP/2 of undici')}`
  },
  {
    asked: /web\/fetch\/body\.js$/,
    by: of('undici'),
    text: `exports.extractBody = ${refusing('forms as bodies of undici')}`
  },
  // ws: frames alone, for the first upgraded connection.
  {
    asked: /^ws$/,
    by: ours,
    text: `
      export function Receiver(...args) { return new (require('chunk:ws').receiver())(...args) }
      export function Sender(...args) { return new (require('chunk:ws').sender())(...args) }
      Sender.frame = (...args) => require('chunk:ws').sender().frame(...args)`
  },
  // pino: it writes in this thread.
  {
    asked: /^\.\/(?:lib\/)?transport$/,
    by: of('pino'),
    text: `module.exports = ${refusing('transports of pino')}`
  },
  // prom-client: a registry and Node's own metrics, without pushing, summaries, clusters and traces.
  {
    asked: /^prom-client$/,
    by: ours,
    from: folder('prom-client'),
    text: `
      export default {
        Registry: require('./lib/registry.js'),
        collectDefaultMetrics: require('./lib/defaultMetrics.js')
      }`
  },
  { asked: /^@opentelemetry\/api$/, by: of('prom-client'), text: 'module.exports = {}' },
  // Node's HTTP/2, which is 2 MB, is loaded for the first session.
  {
    asked: /^(?:node:)?http2$/,
    by: anyone,
    text: `
      const load = () => process.getBuiltinModule('node:http2')
      export const constants = ${JSON.stringify(http2.constants)}
      export const connect = (...args) => load().connect(...args)
      export const createServer = (...args) => load().createServer(...args)
      export const createSecureServer = (...args) => load().createSecureServer(...args)`
  }
]

/** Chunks that the stand-ins load, by `require('chunk:NAME')`. */
export const lateChunks = {
  undici: {
    from: folder('undici'),
    text: `
      export const client = () => require('./lib/dispatcher/client.js')
      export const pool = () => {
        require('./lib/dispatcher/dispatcher.js').prototype.request = require('./lib/api/api-request.js')
        return require('./lib/dispatcher/pool.js')
      }`
  },
  ws: {
    from: folder('ws'),
    text: `
      export const receiver = () => require('./lib/receiver.js')
      export const sender = () => require('./lib/sender.js')`
  }
}

/** The esbuild plugin that puts them in. */
export const standInsPlugin = {
  name: 'stand-ins',
  setup(build) {
    build.onResolve({ filter: /^chunk:/ }, ({ path, kind }) => {
      if (kind !== 'entry-point') return { path, external: true }
      return { path, namespace: 'stand-in', pluginData: lateChunks[path.slice('chunk:'.length)] }
    })
    for (const [i, { asked, by, from, text }] of standIns.entries()) {
      build.onResolve({ filter: asked }, ({ path, importer, namespace }) => {
        if (namespace !== 'file' || !by.test(importer)) return undefined
        // A chunk may be called by its end.
        return {
          path: `${i}/${path.replace(/^.*[:/]/, '')}`,
          namespace: 'stand-in',
          pluginData: { from, text }
        }
      })
    }
    build.onLoad({ filter: /./, namespace: 'stand-in' }, ({ pluginData: { from, text } }) => {
      return { contents: text, resolveDir: from ?? dirname(import.meta.filename) }
    })
    // zod: its messages in fifty languages are read where a plugin asks for one.
    build.onLoad({ filter: /[/\\]zod[/\\]v4[/\\]locales[/\\]index\.js$/ }, ({ path }) => {
      const names = [...readFileSync(path, 'utf8').matchAll(/default as (\w+)/g)].map(([, name]) => name)
      const lines = names.map((name) => `export const ${name} = () => load().${name}()`)
      return {
        contents: `const load = () => require('zod/locales')\n${lines.join('\n')}`,
        resolveDir: dirname(path)
      }
    })
  }
}
