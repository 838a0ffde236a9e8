const REDIS = /^rediss?:\/\//
/** As the client reads it: `unix://[user[:password]@]/path[?db=N]`. */
const SOCKET = /^unix:\/\/(?:[^@/]*@)?\/[^?#]+(?:\?db=\d+)?$/

const WANTED =
  'expected memory, redis://[user:password@]host[:port][/database], rediss://... or unix:///path[?db=N]'

/** What is wrong with `store`, and undefined where nothing is. It may hold a password, so it is never quoted. */
export function storeProblem(store: string): string | undefined {
  if (store === 'memory') return undefined
  if (store.startsWith('unix:')) return SOCKET.test(store) && isDecodable(store) ? undefined : WANTED
  if (!REDIS.test(store) || !isDecodable(store)) return WANTED
  let url: URL
  try {
    url = new URL(store)
  } catch {
    return WANTED
  }
  if (url.hostname === '') return `${WANTED}: it names no host`
  if (url.search !== '' || url.hash !== '') return `${WANTED}: it has a query or a fragment`
  if (!/^\/?\d*$/.test(url.pathname)) return `${WANTED}: the database is a number`
  return undefined
}

function isDecodable(text: string): boolean {
  try {
    decodeURIComponent(text)
    return true
  } catch {
    return false
  }
}
