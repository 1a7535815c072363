import { invalid } from './operation.ts'

type Asked = { readonly nextToken?: string | undefined; readonly maxResults?: number | undefined }

const tokenOf = (position: number): string => Buffer.from(String(position)).toString('base64url')

/**
 * A page of a stable list; tokens are opaque positions. Throws ValidationException for a token that is not ours and for
 * sizes below 1.
 */
export const page = <T>(all: readonly T[], { nextToken, maxResults }: Asked): { items: T[]; nextToken?: string } => {
  if (maxResults !== undefined && maxResults < 1) throw invalid('maxResults must be greater than or equal to 1.')
  const from = nextToken === undefined ? 0 : Number(Buffer.from(nextToken, 'base64url').toString())
  if (
    !Number.isInteger(from) ||
    from < 0 ||
    from > all.length ||
    (nextToken !== undefined && tokenOf(from) !== nextToken)
  )
    throw invalid('Invalid nextToken.')
  const next = from + Math.min(maxResults ?? 100, 1000)
  return { items: all.slice(from, next), ...(next < all.length ? { nextToken: tokenOf(next) } : {}) }
}
