import {
  type Attempt,
  definePlugin,
  type Exchange,
  key,
  type PluginHooks,
  readCookie
} from '../../core/index.js'
import { config } from './config.js'
import { type Share, Shares } from './draw.js'
import { Subsets } from './subsets.js'

/** What an exchange goes by, for all of its attempts. */
interface Drawn {
  readonly share: Share
  /** The client does not know yet. */
  readonly fresh: boolean
}

export default definePlugin({
  name: 'split',
  version: '0.1.0',
  description: 'divides requests by the values of a tag, such as a version, by weight',
  config,
  places: ['top', 'route', 'service'],
  setup({ config, place, random, metrics }): PluginHooks {
    const [tag, weights] = Object.entries(config.by)[0] as [string, Record<string, number>]
    const shares = new Shares(weights)
    const subsets = new Subsets(tag, shares.all)
    const drawn = key<Drawn>(`split ${place.kind} ${place.name} ${tag}`)
    const fresh: readonly Drawn[] = shares.all.map((share) => Object.freeze({ share, fresh: true }))
    const kept: readonly Drawn[] = shares.all.map((share) => Object.freeze({ share, fresh: false }))
    const cookie = config.sticky?.cookie
    const total = metrics.counter({
      name: 'outrigger_split_requests_total',
      help: 'Requests by the value that was drawn for them',
      labels: ['route', 'tag', 'value']
    })
    const fallbacks = metrics.counter({
      name: 'outrigger_split_fallbacks_total',
      help: 'Attempts for which no endpoint had the value that was drawn, so that all of them were left',
      labels: ['route', 'tag', 'value']
    })

    const draw = (exchange: Exchange): Drawn => {
      const said = cookie === undefined ? undefined : readCookie(exchange.request.headers, cookie)
      const named = said === undefined ? undefined : shares.named(said)
      const one = (named === undefined ? fresh : kept)[(named ?? shares.draw(random())).index] as Drawn
      exchange.set(drawn, one)
      total.labels(exchange.route.name, tag, one.share.value).inc()
      return one
    }

    const candidates: PluginHooks['candidates'] = (endpoints, exchange) => {
      const { share } = exchange.get(drawn) ?? draw(exchange)
      const subset = subsets.of(endpoints, share)
      if (subset === undefined && endpoints.length > 0)
        fallbacks.labels(exchange.route.name, tag, share.value).inc()
      return subset
    }
    if (config.sticky === undefined) return { candidates }

    const { ttl } = config.sticky
    const age = ttl === undefined ? '' : `; Max-Age=${Math.round(ttl / 1000)}`
    const cookies = shares.all.map(({ value }) => `${cookie}=${value}; Path=/${age}; HttpOnly; SameSite=Lax`)
    return {
      candidates,
      // `outcome` runs in every place, `response` not on a service. Of an answer that is tried again nothing goes out.
      outcome({ responseHeaders }: Attempt, exchange) {
        const one = exchange.get(drawn)
        if (responseHeaders === undefined || one?.fresh !== true) return
        const secure = exchange.request.scheme === 'https' ? '; Secure' : ''
        responseHeaders.append('set-cookie', `${cookies[one.share.index]}${secure}`)
      }
    }
  }
})
