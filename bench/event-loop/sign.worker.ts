import { generateKeyPairSync, sign as signature } from 'node:crypto'

const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })

/** As many as a response with several tokens needs: one takes about a millisecond. */
const SIGNATURES = 10

/** RSA over SHA-256, as a token of RS256 has it. @returns the last one, in base64url */
export function sign(text: string): string {
  let last = ''
  for (let i = 0; i < SIGNATURES; i++)
    last = signature('sha256', Buffer.from(`${text}${i}`), privateKey).toString('base64url')
  return last
}
