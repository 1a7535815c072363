import { fail } from './operation.ts'

/** One page of a list that stands still, and the token for the next one; `undefined` for a token that is not ours. */
export const pageOf = <T>(
  items: readonly T[],
  token: string | undefined,
  size: number,
): { page: T[]; nextToken: string | undefined } | undefined => {
  const start = token === undefined ? 0 : offsetOf(token)
  if (start === undefined || start > items.length) return undefined
  const end = start + size
  return { page: items.slice(start, end), nextToken: end < items.length ? tokenOf(end) : undefined }
}

/**
 * The page that a request asks for; `most` is the default size and the largest. Raises InvalidMaxResultsException and
 * InvalidContinuationTokenException.
 */
export const getPage = <T>(
  items: readonly T[],
  { nextToken, maxResults }: { nextToken?: string | undefined; maxResults?: number | undefined },
  { usual, most = usual }: { usual: number; most?: number },
): { page: T[]; nextToken: string | undefined } => {
  if (maxResults !== undefined && (maxResults < 1 || maxResults > most))
    throw fail('InvalidMaxResultsException', `The maximum number of results must be between 1 and ${most}.`)
  const found = pageOf(items, nextToken, maxResults ?? usual)
  if (!found) throw fail('InvalidContinuationTokenException', 'The specified continuation token is not valid.')
  return found
}

const tokenOf = (offset: number): string => Buffer.from(`offset:${offset}`).toString('base64url')

const offsetOf = (token: string): number | undefined => {
  const match = /^offset:(\d{1,9})$/.exec(Buffer.from(token, 'base64url').toString('latin1'))
  return match ? Number(match[1]) : undefined
}
