import { z } from '../../core/index.js'
import { nameProblem } from './certificate-names.js'

const name = z.string().superRefine((value, context) => {
  const message = nameProblem(value)
  if (message !== undefined) context.addIssue({ code: 'custom', message })
})

export const mtls = z.strictObject({
  allow: z
    .array(name)
    .min(1)
    .describe(
      'URI and DNS names of certificates that may call. spiffe://shop.local/* stands for every path below, ' +
        '*.shop.local for one label.'
    )
})

export type MtlsConfig = z.output<typeof mtls>
