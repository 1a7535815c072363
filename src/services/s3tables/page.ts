import { fail } from './operation.ts'

/** A page of records in the order of their names, those behind the token's. Throws BadRequestException. */
export const pageOf = <T>(
  all: readonly T[],
  nameOf: (record: T) => string,
  { token, limit = 1000 }: { token: string | undefined; limit: number | undefined },
): { items: readonly T[]; continuationToken?: string } => {
  const after = token === undefined ? '' : Buffer.from(token, 'base64url').toString()
  if (token !== undefined && Buffer.from(after).toString('base64url') !== token)
    throw fail('BadRequestException', 'The continuation token is not valid.')
  const rest = all.filter((record) => nameOf(record) > after)
  const items = rest.slice(0, limit)
  const last = items.at(-1)
  return {
    items,
    ...(last !== undefined && rest.length > items.length
      ? { continuationToken: Buffer.from(nameOf(last)).toString('base64url') }
      : {}),
  }
}
