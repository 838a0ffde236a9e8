import { z } from 'zod'

/** The name of a PEM file. That it is there and holds what it should is seen when the whole configuration is read. */
export function pemFile(about: string) {
  return z
    .string()
    .min(1)
    .meta({ description: `A PEM file, relative to the configuration. ${about}` })
}
