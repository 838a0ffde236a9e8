/**
 * `node --import outrigger/register FILE.ts`: TypeScript as it is, on every supported Node. It is what runs the tests
 * of a plugin: before version 22.18, Node itself reads JavaScript alone.
 */

// A cache on disk would be a folder in which others could leave code for us to run. Read when the module is loaded.
process.env.JITI_FS_CACHE ??= 'false'
// It has declarations, but as a script: the checker takes it for no module.
const register: string = 'jiti/register'
await import(register)

export {}
