import t from 'tap'
import { z } from 'zod'
import { configKeys, sampleConfigs, schemaOf } from '../../../core/cli/config-keys.js'
import { hooksOf } from '../../../core/cli/dry-run.js'
import { listPlugins } from '../../../core/cli/plugins.js'
import type { Config, PluginUse } from '../../../core/config/types.js'
import { definePlugin, type Plugin } from '../../../core/hooks/plugin.js'

const picker = definePlugin({
  name: 'picker',
  version: '1.2.3',
  description: 'picks',
  config: z.strictObject({ policy: z.enum(['core', 'own']).default('core').describe('Who picks.') }),
  places: ['service'],
  setup: ({ config, service }) => {
    if (service === undefined) throw new Error('it stands on a service')
    return config.policy === 'core' ? {} : { pick: ([first]) => first }
  }
})

const keyed = definePlugin({
  name: 'keyed',
  config: z.strictObject({
    keys: z.record(z.string(), z.string().regex(/^sha256:/)).refine((keys) => Object.keys(keys).length > 0),
    limit: z.strictObject({ rate: z.number().default(5), per: z.union([z.string(), z.number()]) })
  }),
  setup: ({ config }) => {
    Object.keys(config.keys)
    return { request() {}, finish() {} }
  }
})

t.test('hooks are had from setup, which gets a world where nothing happens', async (t) => {
  const closed: string[] = []
  const busy = definePlugin({
    name: 'busy',
    async setup({ clock, log, metrics, worker, fetch, onClose }) {
      log.info('started')
      metrics.counter({ name: 'x_total', help: 'x' }).labels().inc()
      clock.setInterval(() => t.fail('a timer ran'), 1)
      onClose(() => {
        closed.push('closed')
      })
      await fetch('keys', '/').catch(() => {})
      await worker(new URL('file:///nowhere.js'), 'x')().catch(() => {})
      return { request() {}, response() {} }
    }
  })
  t.same(await hooksOf(busy, {}), ['request', 'response'])
  t.same(closed, ['closed'])
})

t.test('a setup that throws or never ends has no known hooks', async (t) => {
  const throws = definePlugin({
    name: 'throws',
    setup: () => {
      throw new Error('no')
    }
  })
  t.equal(await hooksOf(throws, {}), undefined)
  t.equal(await hooksOf(definePlugin({ name: 'hangs', setup: () => new Promise(() => {}) }), {}), undefined)
})

t.test('keys of a config, with types, defaults and what is required', async (t) => {
  const keys = configKeys(schemaOf(keyed) ?? {})
  t.same(
    keys.map(({ path, type, required, default: preset }) => [path, type, required, preset]),
    [
      ['keys', '{ NAME: string }', true, undefined],
      ['limit', 'object', true, undefined],
      ['limit.rate', 'number', false, '5'],
      ['limit.per', 'string | number', true, undefined]
    ]
  )
  t.match(configKeys(schemaOf(picker) ?? {}), [
    { path: 'policy', type: '"core" | "own"', default: '"core"', description: 'Who picks.' }
  ])
  const plain = definePlugin({
    name: 'plain',
    config: {
      type: 'object',
      properties: { a: { type: 'array', items: { type: 'integer' }, default: [1] } }
    },
    setup() {}
  })
  t.match(configKeys(schemaOf(plain) ?? {}), [{ path: 'a', type: 'list of integer', default: '[1]' }])
  t.same(sampleConfigs(plain), [{ a: [1] }])
})

t.test('the built-in ones, whose hooks may hang on their config', async (t) => {
  const builtins = new Map<string, () => Promise<Plugin>>([
    ['picker', async () => picker],
    ['keyed', async () => keyed]
  ])
  const listed = await listPlugins({ version: '0', builtins, modules: {} }, undefined)
  t.match(listed, [
    { name: 'picker', version: '1.2.3', source: 'built in', places: ['service'], hooks: ['pick'] },
    { name: 'keyed', places: ['top', 'route'], hooks: ['request', 'finish'] }
  ])
  t.equal(listed[0]?.listed, undefined)
})

t.test('with a configuration: its own besides, and where each is listed', async (t) => {
  const mine = definePlugin({ name: 'mine', setup: () => ({ outcome() {} }) })
  const use = (name: string, plugin: Plugin, config: unknown) => ({ name, plugin, config }) as PluginUse
  const config = {
    plugins: [use('./mine.ts', mine, {})],
    services: new Map([['orders', { name: 'orders', plugins: [use('picker', picker, { policy: 'own' })] }]]),
    routes: [{ name: 'all', plugins: [use('./mine.ts', mine, {})] }]
  } as unknown as Config
  const builtins = new Map<string, () => Promise<Plugin>>([['picker', async () => picker]])
  t.match(await listPlugins({ version: '0', builtins, modules: {} }, config), [
    { name: 'picker', listed: ['service orders'] },
    {
      name: 'mine',
      source: './mine.ts',
      listed: ['top', 'route all'],
      places: ['top', 'route', 'service'],
      hooks: ['outcome']
    }
  ])
})
