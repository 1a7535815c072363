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

/** The `errorMessage` of a batch: which of what was asked for is not there. Its operations have no error for that. */
export const missingOf = (what: string, asked: readonly string[], found: readonly unknown[]): string => {
  const missing = asked.filter((_name, index) => found[index] === undefined)
  return missing.length === 0 ? '' : `No ${what} found for: ${missing.join(', ')}`
}

/** What a batch is asked for without a single name or id. */
type Required =
  | 'ApplicationNameRequiredException'
  | 'DeploymentGroupNameRequiredException'
  | 'DeploymentIdRequiredException'
  | 'InstanceIdRequiredException'
  | 'InstanceNameRequiredException'
  | 'RevisionRequiredException'

/** Throws `required` for none, BatchLimitExceededException for more names or ids than an operation takes at once. */
export const checkBatch = (names: readonly unknown[], most: number, required: Required): void => {
  if (names.length === 0) throw fail(required, 'The request names nothing that it is about.')
  if (names.length > most)
    throw fail(
      'BatchLimitExceededException',
      `The maximum number of names or IDs allowed for this request (${most}) was exceeded.`,
    )
}
