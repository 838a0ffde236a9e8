import { type AdminOptions, createAdmin } from '../admin/admin.js'
import type { Address } from '../config/types.js'
import { bind, bindFailure } from './bind.js'
import { StartError } from './types.js'

export type Admin = ReturnType<typeof createAdmin>

/** Serves the admin, and adds where to `addresses`. @throws StartError when the address is taken */
export async function openAdmin(
  options: AdminOptions,
  address: Address,
  addresses: Map<string, string>
): Promise<Admin> {
  const admin = createAdmin(options)
  try {
    const where = await bind(admin, address)
    addresses.set('admin', address.kind === 'unix' ? where : `http://${where}`)
    return admin
  } catch (cause) {
    await admin.close()
    throw new StartError(`admin: ${bindFailure(address, cause)}`, cause)
  }
}
