import { fail } from './operation.ts'

/** A page of a stable list; tokens are opaque positions. Throws InvalidNextTokenException. */
export const page = <T>(
  all: readonly T[],
  nextToken: string | undefined,
  size = 100,
): { items: T[]; nextToken?: string } => {
  const from = nextToken === undefined ? 0 : Number(Buffer.from(nextToken, 'base64url').toString())
  if (!Number.isInteger(from) || from < 0 || from > all.length)
    throw fail('InvalidNextTokenException', 'The next token was specified in an invalid format.')
  const next = from + size
  return {
    items: all.slice(from, next),
    ...(next < all.length ? { nextToken: Buffer.from(String(next)).toString('base64url') } : {}),
  }
}

/** Throws BatchLimitExceededException for more names or ids than an operation takes at once. */
export const checkBatch = (names: readonly unknown[], most: number): void => {
  if (names.length > most)
    throw fail(
      'BatchLimitExceededException',
      `The maximum number of names or IDs allowed for this request (${most}) was exceeded.`,
    )
}
