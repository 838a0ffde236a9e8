export interface Aim {
  /** Above 0, to 1: below it, requests are rejected. */
  readonly successRate: number
  /** From 0 to 1: no more than this. */
  readonly maxRejection: number
  /** Below so many in the window, none is. */
  readonly minRequests: number
}

/**
 * How likely a request is to be rejected: `min(maxRejection, max(0, (n - s / successRate) / (n + 1)))`, of `n` requests `s` of
 * which went well (Envoy's admission control with aggression 1, after the client-side throttling of Google's SRE book).
 */
export function rejection(n: number, s: number, { successRate, maxRejection, minRequests }: Aim): number {
  if (n < minRequests) return 0
  return Math.min(maxRejection, Math.max(0, (n - s / successRate) / (n + 1)))
}
