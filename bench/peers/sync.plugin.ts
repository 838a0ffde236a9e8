import { definePlugin } from 'outrigger'

/** Does nothing, at the hooks that most plugins have: what is measured is what it takes to ask it. */
export default definePlugin({
  name: 'sync',
  setup() {
    return {
      request() {},
      response() {}
    }
  }
})
