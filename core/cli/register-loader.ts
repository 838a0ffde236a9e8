import { ModuleLoader } from '../modules/load.js'

const NAMES = ['outrigger', 'outrigger/testing']

/**
 * What all of an author's files are loaded by, so that each is there once. This package is named by itself: where it is
 * linked into `node_modules`, its real path says nothing of an installed package, and it would be transpiled too.
 */
export const loader = new ModuleLoader(
  Object.fromEntries(NAMES.map((name) => [name, new URL(import.meta.resolve(name))]))
)
