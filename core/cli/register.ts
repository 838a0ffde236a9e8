/**
 * `node --import outrigger/register FILE.ts`: TypeScript as it is, on every supported Node. It is what runs the tests
 * of a plugin: before version 22.18, Node itself reads JavaScript alone.
 */
import * as nodeModule from 'node:module'
import { type LoadContext, type Loaded, standIn } from './register-hooks.js'

type NextLoad = (url: string, context: LoadContext) => Loaded

// The hooks of this thread: since 22.15. The others, of a thread of their own, are to go from a later Node.
const { registerHooks } = nodeModule as {
  registerHooks?: (hooks: { load(url: string, context: LoadContext, next: NextLoad): Loaded }) => void
}
if (registerHooks === undefined) nodeModule.register('./register-hooks.js', import.meta.url)
else registerHooks({ load: (url, context, next) => standIn(url, context) ?? next(url, context) })
