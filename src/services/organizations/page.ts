import { invalid } from './operation.ts'

type Asked = { readonly NextToken?: string | undefined; readonly MaxResults?: number | undefined }

const tokenOf = (key: string) => Buffer.from(key, 'utf8').toString('base64url')

const afterOf = ({ NextToken }: Asked): string | undefined => {
  if (NextToken === undefined) return undefined
  const key = Buffer.from(NextToken, 'base64url').toString('utf8')
  if (key === '' || tokenOf(key) !== NextToken)
    throw invalid('INVALID_NEXT_TOKEN', 'You specified a NextToken that is not valid.')
  return key
}

/** A page of a list, in the order of its keys: what comes after the token's key. Throws InvalidInputException. */
export const pageOf = <T>(
  items: readonly T[],
  keyOf: (item: T) => string,
  asked: Asked,
): { page: T[]; NextToken: string | undefined } => {
  const size = asked.MaxResults ?? 20
  const after = afterOf(asked)
  const rest = items
    .map((item) => ({ item, key: keyOf(item) }))
    .filter(({ key }) => after === undefined || key > after)
    .toSorted((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : 0))
  const taken = rest.slice(0, size)
  return {
    page: taken.map(({ item }) => item),
    NextToken: rest.length > size ? tokenOf(taken.at(-1)!.key) : undefined,
  }
}
