import { definePlugin } from 'outrigger'

/** As `sync.plugin.ts`, and each answer is a promise. */
export default definePlugin({
  name: 'async',
  setup() {
    return {
      async request() {},
      async response() {}
    }
  }
})
