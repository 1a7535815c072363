import { fail } from './operation.ts'

type Asked = { readonly MaxResults?: number | undefined; readonly NextToken?: string | undefined }

const token = (position: string) => Buffer.from(`after:${position}`).toString('base64url')

/** One page of a list; the next begins behind the item whose position the token holds. Raises InvalidNextTokenException. */
export const pageOf = <T>(
  items: readonly T[],
  asked: Asked,
  position: (item: T) => string,
): { items: readonly T[]; next: { NextToken?: string } } => {
  let from = 0
  if (asked.NextToken !== undefined) {
    const text = Buffer.from(asked.NextToken, 'base64url').toString()
    from = text.startsWith('after:') ? items.findIndex((item) => position(item) === text.slice('after:'.length)) + 1 : 0
    if (from === 0) throw fail('InvalidNextTokenException', 'The NextToken value is invalid.')
  }
  const page = items.slice(from, from + (asked.MaxResults ?? 100))
  const last = page.at(-1)
  return last && from + page.length < items.length
    ? { items: page, next: { NextToken: token(position(last)) } }
    : { items: page, next: {} }
}
