import { isHopByHop, namedByConnection, removeNamed } from './hop-by-hop.js'

/** What another transfer coding makes of a body, its receiver could only guess: the field does not go on. */
export function isChunkedAtMost(flat: readonly string[]): boolean {
  let chunked = false
  for (let i = 0; i < flat.length; i += 2) {
    const name = flat[i] as string
    if (name.length !== 17 || name.toLowerCase() !== 'transfer-encoding') continue
    if (chunked || (flat[i + 1] as string).toLowerCase() !== 'chunked') return false
    chunked = true
  }
  return true
}

/** Takes hop-by-hop fields out, in place. @returns the content-length, where there is one */
export function strip(flat: string[]): number | undefined {
  let contentLength: number | undefined
  let named: string[] | undefined
  let to = 0
  for (let i = 0; i < flat.length; i += 2) {
    const name = flat[i] as string
    if (name.length === 10 && name.toLowerCase() === 'connection') {
      const more = namedByConnection(flat[i + 1] as string)
      if (more !== undefined) named = named === undefined ? more : named.concat(more)
      continue
    }
    if (isHopByHop(name)) continue
    if (name.length === 14 && name.toLowerCase() === 'content-length') contentLength = Number(flat[i + 1])
    if (to !== i) {
      flat[to] = name
      flat[to + 1] = flat[i + 1] as string
    }
    to += 2
  }
  // Of a few that is far quicker than to set the length, which costs the same when nothing was taken out.
  while (flat.length > to) flat.pop()
  if (named !== undefined) {
    removeNamed(
      flat,
      named.filter((name) => name !== 'content-length')
    )
  }
  return contentLength
}
