import type { ServiceInfo } from '../../core/index.js'

/** Services in the order they stand in for one another. */
export interface Chain {
  /** Whether a service, of the chain or not, has anything to send a request to. */
  isUp(service: string): boolean
  /**
   * The first that is up of those behind `service`, or of all of them where that is none of them. It never goes back: an
   * exchange comes to an end however the services come and go.
   */
  next(service: string | undefined): string | undefined
}

export function chain(
  names: readonly string[],
  serviceNamed: (name: string) => ServiceInfo | undefined
): Chain {
  const services = names.map((name) => serviceNamed(name)).filter((service) => service !== undefined)
  return {
    isUp(name) {
      const service = serviceNamed(name)
      return service !== undefined && isUp(service)
    },
    next(current) {
      const from = services.findIndex(({ name }) => name === current) + 1
      for (let i = from; i < services.length; i++) {
        const service = services[i]
        if (service !== undefined && isUp(service)) return service.name
      }
      return undefined
    }
  }
}

function isUp(service: ServiceInfo): boolean {
  return service.breaker !== 'open' && service.usable().length > 0
}
