// Configurations of many routes and many endpoints, and their like of few.
import type { Change } from '../sidecar.js'

/** So many routes of one prefix each, all to the same service, in place of the one: `/r0/*` and on. */
export function manyRoutes(count: number): Change {
  return (sidecar) => {
    const [route] = sidecar.routes
    if (route === undefined) return
    sidecar.routes = Array.from({ length: count }, (_, at) => ({
      ...route,
      name: `r${at}`,
      match: { path: `/r${at}/*` }
    }))
  }
}

/**
 * So many endpoints of the service: one server that listens on all of loopback, under as many addresses of it.
 *
 * @param url of the server
 */
export function manyEndpoints(count: number, url: string): Change {
  const { port } = new URL(url)
  return ({ services: { app } }) => {
    if (app !== undefined)
      app.endpoints = Array.from({ length: count }, (_, at) => `http://${addressOf(at)}:${port}`)
  }
}

/** The nth address of loopback, from 127.1.0.1; those that end in 0 or 255 are left out. */
export function addressOf(at: number): string {
  const last = at % 254
  const third = Math.floor(at / 254) % 256
  const second = 1 + Math.floor(at / (254 * 256))
  return `127.${second}.${third}.${last + 1}`
}
