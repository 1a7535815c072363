import { fail } from './operation.ts'

/** A list's token: the position after which the next page begins, readable by us only. */
const tokenOf = (position: string): string => Buffer.from(`after:${position}`).toString('base64url')

/** Raises InvalidNextTokenException for a token that is not ours. */
export const positionOf = (token: string | undefined): string | undefined => {
  if (token === undefined) return undefined
  const text = Buffer.from(token, 'base64url').toString()
  if (!text.startsWith('after:'))
    throw fail('InvalidNextTokenException', 'The next token was specified in an invalid format.')
  return text.slice('after:'.length)
}

/** The first `size` of the items read (read one more than that), and the token of the next page if there is one. */
export const pageOf = <T>(
  items: readonly T[],
  size: number,
  position: (item: T) => string,
): { page: readonly T[]; nextToken?: string } => {
  const page = items.slice(0, size)
  const last = page.at(-1)
  return last && items.length > size ? { page, nextToken: tokenOf(position(last)) } : { page }
}
