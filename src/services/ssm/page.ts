import { fail } from './operation.ts'

type Asked = { readonly MaxResults?: number | undefined; readonly NextToken?: string | undefined }

/** One page of a list that is in the order of `position`. Raises InvalidNextToken. */
export const pageOf = <T>(
  items: readonly T[],
  asked: Asked,
  usual: number,
  position: (item: T) => string,
): { items: readonly T[]; next: { NextToken?: string } } => {
  let after: string | undefined
  if (asked.NextToken !== undefined) {
    const text = Buffer.from(asked.NextToken, 'base64url').toString()
    if (!text.startsWith('after:')) throw fail('InvalidNextToken', 'The specified token is not valid.')
    after = text.slice('after:'.length)
  }
  const rest = after === undefined ? items : items.filter((item) => position(item) > after)
  const page = rest.slice(0, asked.MaxResults ?? usual)
  const last = page.at(-1)
  return last && rest.length > page.length
    ? { items: page, next: { NextToken: Buffer.from(`after:${position(last)}`).toString('base64url') } }
    : { items: page, next: {} }
}
