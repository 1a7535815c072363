import { fail } from './operation.ts'

export type Filter = { readonly Name?: string | undefined; readonly Values?: readonly string[] | undefined }
/** What a filter name finds on a resource; `undefined` when the resource has no such value. */
export type Facts = Readonly<Record<string, string | readonly string[] | undefined>>

/** `*` any characters, `?` one, backslash takes them literally; matched without backtracking beyond the last star. */
export const wildcard = (pattern: string, text: string): boolean => {
  const tokens = [...pattern.matchAll(/\\(.)|([\s\S])/g)].map(([, escaped, plain]) =>
    escaped === undefined ? (plain === '*' || plain === '?' ? { any: plain } : { char: plain }) : { char: escaped },
  )
  let [t, p, star, mark] = [0, 0, -1, 0]
  while (t < text.length) {
    const token = tokens[p]
    if (token && (token.any === '?' || token.char === text[t])) {
      t++
      p++
    } else if (token?.any === '*') {
      star = p++
      mark = t
    } else if (star >= 0) {
      p = star + 1
      t = ++mark
    } else return false
  }
  while (tokens[p]?.any === '*') p++
  return p === tokens.length
}

/**
 * Keeps the resources that match every filter; within one filter any value suffices ("Filtering your resources", EC2 user
 * guide). `tag:KEY`, `tag-key` and `tag-value` come from the tags. Throws InvalidParameterValue for a filter name that
 * `names` does not have.
 */
export const filtered = <R>(
  resources: readonly R[],
  filters: readonly Filter[] | undefined,
  names: readonly string[],
  factsOf: (resource: R) => { facts: Facts; tags: Readonly<Record<string, string>> },
): R[] => {
  for (const { Name = '' } of filters ?? [])
    if (!names.includes(Name) && !Name.startsWith('tag:') && Name !== 'tag-key' && Name !== 'tag-value')
      throw fail('InvalidParameterValue', `The filter '${Name}' is invalid`)
  if (!filters?.length) return [...resources]
  return resources.filter((resource) => {
    const { facts, tags } = factsOf(resource)
    return filters.every(({ Name = '', Values = [] }) => {
      const found = valuesOf(Name, facts, tags)
      return Values.some((pattern) => found.some((value) => wildcard(pattern, value)))
    })
  })
}

const valuesOf = (name: string, facts: Facts, tags: Readonly<Record<string, string>>): readonly string[] => {
  if (name === 'tag-key') return Object.keys(tags)
  if (name === 'tag-value') return Object.values(tags)
  if (name.startsWith('tag:')) {
    const key = name.slice(4)
    const value = Object.hasOwn(tags, key) ? tags[key] : undefined
    return value === undefined ? [] : [value]
  }
  const value = facts[name]
  return value === undefined ? [] : typeof value === 'string' ? [value] : value
}

/**
 * Cuts a page out of a list whose order is stable. Tokens are positions, opaque to the caller. Throws
 * InvalidParameterValue for a page outside 5 to 1000 ("Pagination", EC2 API reference), InvalidNextToken.
 */
export const page = <R>(
  all: readonly R[],
  maxResults: number | undefined,
  nextToken: string | undefined,
): { page: R[]; NextToken?: string } => {
  if (maxResults !== undefined && maxResults < 5)
    throw fail(
      'InvalidParameterValue',
      `Value ( ${maxResults} ) for parameter maxResults is invalid. Expecting a value greater than or equal to 5.`,
    )
  if (maxResults !== undefined && maxResults > 1000)
    throw fail(
      'InvalidParameterValue',
      `Value ( ${maxResults} ) for parameter maxResults is invalid. Expecting a value less than or equal to 1000.`,
    )
  const position = nextToken === undefined ? '0' : Buffer.from(nextToken, 'base64url').toString()
  if (!/^\d{1,15}$/.test(position)) throw fail('InvalidNextToken', 'The token is not valid.')
  const from = Number(position)
  const rows = all.slice(from, maxResults === undefined ? undefined : from + maxResults)
  const next = from + rows.length
  return { page: rows, ...(next < all.length ? { NextToken: Buffer.from(String(next)).toString('base64url') } : {}) }
}
