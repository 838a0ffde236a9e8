import { definePlugin } from 'outrigger'

/** Looks at each message and lets it pass: what is measured is the way there, and not what a plugin does with it. */
export default definePlugin({
  name: 'messages',
  setup() {
    return {
      message(message) {
        if (message.data.length === 0) message.drop()
      }
    }
  }
})
