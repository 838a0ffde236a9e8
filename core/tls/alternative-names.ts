/** One of a certificate's subject alternative names. */
export interface AlternativeName {
  /** As Node calls it: `DNS`, `URI`, `IP Address`, `email`, `DirName`, ... */
  readonly kind: string
  readonly value: string
}

/** A name's kind, and then its value: in quotes, or without any character that would need them. */
const NAME = /([A-Za-z][A-Za-z\d ]*):(?:("(?:[^"\\]|\\.)*")|([^",\\]*))(?:, |$)/y

/**
 * The names in Node's text of them, `DNS:orders, URI:spiffe://shop/orders`. Node puts what could be taken for the end
 * of a name in quotes, as a JSON string: `DNS:"orders, URI:spiffe://shop/admin"` is one name of one kind. It is read
 * from the left and whole, since a search for `URI:` would find one inside of another's value.
 *
 * @param text as of an X509Certificate's `subjectAltName`
 * @returns none at all where any of it is not understood: what is missing could be what tells two apart
 */
export function namesIn(text: string | undefined): readonly AlternativeName[] {
  if (text === undefined) return []
  const names: AlternativeName[] = []
  NAME.lastIndex = 0
  while (NAME.lastIndex < text.length) {
    const match = NAME.exec(text)
    const value = match === null ? undefined : (match[3] ?? unquoted(match[2] as string))
    if (value === undefined) return []
    names.push({ kind: match?.[1] as string, value })
  }
  return names
}

function unquoted(quoted: string): string | undefined {
  try {
    return JSON.parse(quoted) as string
  } catch {
    return undefined
  }
}
