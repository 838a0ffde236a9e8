// The hooks of an upgraded connection: which run, in what order, and what becomes of a message.
import t from 'tap'
import { compileUpgradeHooks, orderOf, type UpgradeHooks } from '../../../core/hooks/hook-set.js'
import { PassingMessage } from '../../../core/hooks/message.js'
import { ProxyError, Reply } from '../../../core/index.js'
import { settle } from '../../../core/testing/virtual-clock.js'
import { exchange, type Listed, Plugins } from '../upgrade/plugins.js'

function compile(plugins: Plugins, ...listed: Listed[]): UpgradeHooks {
  return compileUpgradeHooks(plugins.instances(listed)) as UpgradeHooks
}

/** @returns the error that the hook ended with, or undefined; a promise that never ends when it hangs */
function pass(hook: UpgradeHooks['fromClient'], message: PassingMessage): Promise<ProxyError | undefined> {
  return new Promise((resolve) => {
    hook?.callAsync(message, exchange(), (error) => resolve((error as ProxyError) ?? undefined))
  })
}

const text = (data: string, from: 'client' | 'upstream' = 'client') =>
  new PassingMessage(from, Buffer.from(data), false)

t.test('undefined where no plugin has either hook', async (t) => {
  const plugins = new Plugins()
  t.equal(compileUpgradeHooks(plugins.instances([])), undefined)
  t.equal(compileUpgradeHooks(plugins.instances([{ request() {} }])), undefined)
  const opens = compile(plugins, { open() {} })
  t.ok(opens.open)
  t.equal(opens.fromClient, undefined)
  const reads = compile(plugins, { message() {} })
  t.equal(reads.open, undefined)
  t.ok(reads.fromClient && reads.fromUpstream)
})

t.test(
  'the client’s messages in the order listed, the upstream’s in reverse, sync and async alike',
  async (t) => {
    const plugins = new Plugins()
    const trace: string[] = []
    const names = ['a', 'b', 'c', 'd']
    const listed = names.map((name, i) => ({
      name,
      open: i % 2 === 0 ? () => void trace.push(`open ${name}`) : async () => void trace.push(`open ${name}`),
      message:
        i % 2 === 0
          ? ({ from }: { from: string }) => void trace.push(`${from} ${name}`)
          : async ({ from }: { from: string }) => {
              await Promise.resolve()
              trace.push(`${from} ${name}`)
            }
    }))
    const hooks = compile(plugins, ...listed)
    await new Promise((resolve) => hooks.open?.callAsync({} as never, exchange(), resolve))
    await pass(hooks.fromClient, text('x'))
    await pass(hooks.fromUpstream, text('x', 'upstream'))
    t.same(trace, [
      ...names.map((name) => `open ${name}`),
      ...names.map((name) => `client ${name}`),
      ...[...names].reverse().map((name) => `upstream ${name}`)
    ])
    const instances = plugins.instances(listed)
    t.same(
      orderOf('message', instances, []).map(({ name }) => name),
      names
    )
    t.same(orderOf('open', instances.slice(0, 1), instances.slice(1)).length, 1, 'a service’s are not asked')
    t.equal(plugins.timed.length, 12, 'each call is timed')
  }
)

t.test('a frozen set: nothing is tapped later', async (t) => {
  const hooks = compile(new Plugins(), { message() {} })
  t.throws(() => hooks.fromClient?.tap('late', () => {}))
})

t.test('each plugin gets what the one before left; a string is text, bytes are binary', async (t) => {
  const seen: [string, boolean][] = []
  const hooks = compile(
    new Plugins(),
    { message: (message) => message.replace(`${message.text()}b`) },
    { message: async (message) => message.replace(new Uint8Array(Buffer.from(`${message.text()}c`))) },
    { message: (message) => void seen.push([message.text(), message.binary]) }
  )
  const message = text('a')
  t.equal(await pass(hooks.fromClient, message), undefined)
  t.same(seen, [['abc', true]])
  t.equal(message.data.toString(), 'abc')
  t.equal(message.binary, true)
  t.equal(message.dropped, false)
})

t.test('a dropped message is shown to no plugin behind', async (t) => {
  let shown = 0
  const hooks = compile(
    new Plugins(),
    { message: (message) => message.drop() },
    { message: () => void shown++ }
  )
  const message = text('a')
  t.equal(await pass(hooks.fromClient, message), undefined)
  t.ok(message.dropped)
  t.equal(shown, 0)
  const again = text('a')
  await pass(
    compile(new Plugins(), {
      message(message) {
        message.drop()
        message.replace('after all')
      }
    }).fromClient,
    again
  )
  t.notOk(again.dropped)
})

t.test('a failure is named, counted, logged and tells the client nothing', async (t) => {
  for (const [how, message] of Object.entries({
    throws() {
      throw new Error('swordfish')
    },
    async rejects() {
      throw new Error('swordfish')
    },
    'a Reply': () => new Reply(200) as never,
    'a promise of something': async () => 7 as never,
    'no message': (one: { replace(data: string): void }) => one.replace(7 as never)
  })) {
    const plugins = new Plugins()
    const hooks = compile(plugins, { name: 'culprit', message })
    const error = await pass(hooks.fromClient, text('a'))
    t.equal(error?.code, 'PLUGIN_FAILED', how)
    t.equal(error?.plugin, 'culprit')
    t.equal(error?.hook, 'message')
    t.notMatch(error?.message, 'swordfish')
    t.same(plugins.failed, ['culprit message'])
    t.match(plugins.log.lines, [
      {
        level: 'error',
        message: 'plugin culprit failed in message',
        fields: { plugin: 'culprit', hook: 'message', exchange: 'exchange-1', on: 'all' }
      }
    ])
  }
  const plugins = new Plugins()
  const hooks = compile(plugins, { name: 'culprit', open: () => new Reply(200) as never })
  const error = await new Promise<ProxyError>((resolve) =>
    hooks.open?.callAsync({} as never, exchange(), (error) => resolve(error as ProxyError))
  )
  t.match((error.cause as Error).message, 'open returns nothing, not Reply')
})

t.test('onFailure: skip lets the message pass as it was before that plugin', async (t) => {
  for (const fail of [
    (message: { replace(data: string): void }) => {
      message.replace('half done')
      throw new Error('no')
    },
    async (message: { drop(): void }) => {
      message.drop()
      await Promise.resolve()
      throw new Error('no')
    }
  ]) {
    const plugins = new Plugins()
    const hooks = compile(
      plugins,
      { message: (message) => message.replace('changed') },
      { message: fail, onFailure: 'skip' },
      { message: (message) => message.replace(`${message.text()}!`) }
    )
    const message = text('a')
    t.equal(await pass(hooks.fromClient, message), undefined)
    t.equal(message.data.toString(), 'changed!')
    t.notOk(message.dropped)
    t.same(plugins.failed, ['one message'])
  }
})

t.test(
  'hookTimeout: PLUGIN_TIMEOUT; with skip it passes as it was, and what comes later is ignored',
  async (t) => {
    const plugins = new Plugins()
    const slow = async (message: { replace(data: string): void }) => {
      await plugins.clock.sleep(1_000)
      message.replace('too late')
    }
    const closes = pass(compile(plugins, { message: slow, hookTimeout: 200 }).fromClient, text('a'))
    await plugins.clock.advance(250)
    t.equal((await closes)?.code, 'PLUGIN_TIMEOUT')
    const message = text('a')
    const skips = pass(
      compile(plugins, { message: slow, hookTimeout: 200, onFailure: 'skip' }).fromClient,
      message
    )
    await plugins.clock.advance(250)
    t.equal(await skips, undefined)
    await plugins.clock.advance(2_000)
    t.equal(message.data.toString(), 'a')
  }
)

t.test('a code that a plugin chose stays, skip or not', async (t) => {
  for (const onFailure of ['close', 'skip'] as const) {
    const plugins = new Plugins()
    const message = () => {
      throw new ProxyError('FORBIDDEN', 'not that')
    }
    const error = await pass(compile(plugins, { message, onFailure }).fromClient, text('a'))
    t.equal(error?.code, 'FORBIDDEN')
    t.equal(error?.plugin, 'one')
    t.same(plugins.log.lines, [])
  }
})

t.test('when is asked once a connection', async (t) => {
  let asked = 0
  let ran = 0
  const plugins = new Plugins()
  const hooks = compile(plugins, {
    message: () => void ran++,
    when: () => {
      asked++
      return false
    }
  })
  const connection = exchange()
  for (let i = 0; i < 3; i++)
    await new Promise((resolve) => hooks.fromClient?.callAsync(text('a'), connection, resolve))
  t.equal(asked, 1)
  t.equal(ran, 0)
})

t.test('both directions may wait at once, each with its own end', async (t) => {
  const plugins = new Plugins()
  const hooks = compile(plugins, { message: () => new Promise(() => {}), hookTimeout: 1_000 })
  const connection = exchange()
  const messages = [text('a'), text('b', 'upstream')] as const
  const ended: string[] = []
  hooks.fromClient?.callAsync(messages[0], connection, () => void ended.push('client'))
  hooks.fromUpstream?.callAsync(messages[1], connection, () => void ended.push('upstream'))
  t.ok(messages[0].waiting && messages[1].waiting)
  messages[0].waiting?.cancel()
  await plugins.clock.advance(1_100)
  await settle()
  t.same(ended, ['upstream'])
  t.same(plugins.failed, ['one message'], 'what was cancelled is no failure')
})
