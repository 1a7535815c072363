import { invalid } from './operation.ts'

/** A page of what is listed in the order of its keys; the token is where the next one begins. Throws ValidationException. */
export const pageOf = <T>(
  all: readonly T[],
  keyOf: (one: T) => string,
  { MaxResults, NextToken }: { MaxResults?: number | undefined; NextToken?: string | undefined },
): { items: T[]; NextToken?: string } => {
  const after = NextToken === undefined ? undefined : Buffer.from(NextToken, 'base64url').toString()
  if (after !== undefined && !after.startsWith('arn:'))
    throw invalid('The next token was specified in an invalid format.')
  const rest = after === undefined ? all : all.filter((one) => keyOf(one) > after)
  const items = rest.slice(0, MaxResults || 100)
  const last = items.at(-1)
  return last === undefined || items.length === rest.length
    ? { items }
    : { items, NextToken: Buffer.from(keyOf(last)).toString('base64url') }
}
