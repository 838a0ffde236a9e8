/** The files of a new plugin, by name. They are a plugin that works, its test, and what is needed to try both. */
export function pluginFiles(name: string, version: string): Record<string, string> {
  return {
    'index.ts': `import { definePlugin, z } from 'outrigger'

/** Puts a greeting on every response. */
export default definePlugin({
  name: '${name}',
  version: '0.1.0',
  description: 'puts a greeting on every response',
  config: z.strictObject({
    greeting: z.string().default('hello').describe('What the header x-${name} says.')
  }),
  setup({ config }) {
    return {
      response({ headers }) {
        headers.set('x-${name}', config.greeting)
      }
    }
  }
})
`,
    'index.test.ts': `import assert from 'node:assert/strict'
import { test } from 'node:test'
import { runPlugin } from 'outrigger/testing'
import plugin from './index.js'

test('says hello on every response', async () => {
  const { headers } = await runPlugin(plugin).request({ url: '/' })
  assert.equal(headers.get('x-${name}'), 'hello')
})

test('says what it is configured to say', async () => {
  const { headers } = await runPlugin(plugin, { greeting: 'good day' }).request({ url: '/' })
  assert.equal(headers.get('x-${name}'), 'good day')
})
`,
    'package.json': `${JSON.stringify(
      {
        name: `outrigger-plugin-${name}`,
        version: '0.1.0',
        description: 'puts a greeting on every response',
        keywords: ['outrigger-plugin'],
        type: 'module',
        exports: './index.ts',
        files: ['index.ts', 'README.md'],
        scripts: { test: 'node --import outrigger/register --test index.test.ts' },
        peerDependencies: { outrigger: `^${version}` }
      },
      null,
      2
    )}
`,
    'sidecar.yaml': `# A proxy that has nothing but this plugin.
listeners:
  inbound: { address: 127.0.0.1:8080 }

plugins:
  - ./index.ts: { greeting: good day }

routes:
  - name: everything
    match: { path: /* }
    reply: { status: 200, body: it works }
`,
    'README.md': `# ${name}

A plugin for [outrigger](https://www.npmjs.com/package/outrigger). It puts a greeting on every response.

| key | type | default | what it is |
|---|---|---|---|
| \`greeting\` | string | \`hello\` | what the header \`x-${name}\` says |

## Try it

    npx outrigger run sidecar.yaml
    curl -i http://127.0.0.1:8080/

The answer has \`x-${name}: good day\`. With \`--watch\` behind \`run\`, each save of \`index.ts\` is in use at once.

## Test it

    npm test

It needs no socket, and no build: TypeScript runs as it is. \`outrigger\` must be installed in this folder or in one above
it (\`npm install outrigger\`).

## Use it

By its path, as \`sidecar.yaml\` does. Once it is published and installed as \`outrigger-plugin-${name}\`, by its name:

    plugins:
      - ${name}: { greeting: good day }
`
  }
}
