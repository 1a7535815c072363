import { fail } from './operation.ts'

// Listing by page, with keys rolled up at a delimiter ("Organizing objects using prefixes", S3 user guide). A pure
// engine over any ordered source: it reads one page's rows, and jumps over what rolls up.

/** Where reading goes on: beyond a position, or at it. */
export type From = { readonly after: string } | { readonly from: string }

export type Source<R> = {
  /** Rows with the prefix, in order, from there on. */
  readonly read: (from: From | undefined, limit: number) => Promise<R[]>
  readonly keyOf: (row: R) => string
  readonly positionOf: (row: R) => string
  /** The least position beyond every key with this prefix; undefined when none can be. */
  readonly beyond: (prefix: string) => string | undefined
}

export type Page<R> = {
  readonly items: R[]
  readonly prefixes: string[]
  readonly truncated: boolean
  /** The last entry of the page. */
  readonly last: { readonly item: R } | { readonly prefix: string } | undefined
}

const largestPage = 1000
export const largestNumber = 2_147_483_647

/** Entries of a page: 1,000 where nothing or more is asked. Throws InvalidArgument. */
export const pageSize = (asked: number | undefined, argument = 'maxKeys'): number => {
  if (asked !== undefined && (!Number.isInteger(asked) || asked < 0 || asked > largestNumber))
    throw fail('InvalidArgument', `Argument ${argument} must be an integer between 0 and ${largestNumber}`, {
      ArgumentName: argument,
      ArgumentValue: asked,
    })
  return Math.min(asked ?? largestPage, largestPage)
}

/** The part of a key up to the first delimiter beyond the prefix: what it rolls up to. */
export const rolledUp = (key: string, prefix: string, delimiter: string | undefined): string | undefined => {
  if (!delimiter) return undefined
  const at = key.indexOf(delimiter, prefix.length)
  return at < 0 ? undefined : key.slice(0, at + delimiter.length)
}

/** At most `max` keys and common prefixes together, from `from` on. */
export const listPage = async <R>(
  source: Source<R>,
  {
    prefix,
    delimiter,
    max,
    from,
  }: { prefix: string; delimiter?: string | undefined; max: number; from?: From | undefined },
): Promise<Page<R>> => {
  const items: R[] = []
  const prefixes: string[] = []
  let last: Page<R>['last']
  if (max === 0) return { items, prefixes, truncated: false, last }
  let next = from
  let common: string | undefined
  for (;;) {
    const limit = delimiter ? Math.min(max + 1, 256) : max + 1 - items.length
    const rows = await source.read(next, limit)
    for (const row of rows) {
      const key = source.keyOf(row)
      if (common !== undefined && key.startsWith(common)) continue
      if (items.length + prefixes.length === max) return { items, prefixes, truncated: true, last }
      common = rolledUp(key, prefix, delimiter)
      if (common === undefined) {
        items.push(row)
        last = { item: row }
      } else {
        prefixes.push(common)
        last = { prefix: common }
      }
    }
    const end = rows.at(-1)
    if (!end || rows.length < limit) return { items, prefixes, truncated: false, last }
    const jump = common !== undefined && source.keyOf(end).startsWith(common) ? source.beyond(common) : undefined
    next = jump === undefined ? { after: source.positionOf(end) } : { from: jump }
  }
}

/** The `url` encoding of listings: as in a form, but for the slash. */
export const urlEncoded = (text: string): string =>
  encodeURIComponent(text)
    .replace(/%20/g, '+')
    .replace(/%2F/g, '/')
    .replace(/[!'()~]/g, (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`)
