import { createHash } from 'node:crypto'
import type { ListOptions, ReadTx, Table } from '../../store/store.ts'
import { invalid } from './operation.ts'

type Asked = { readonly Marker?: string | undefined; readonly MaxItems?: number | undefined }
type Page<T> = { readonly items: T[]; readonly IsTruncated: boolean; readonly Marker?: string }

const size = ({ MaxItems }: Asked) => MaxItems ?? 100

const base64 = (key: string) => Buffer.from(key, 'utf8').toString('base64')

/** A marker has at most 320 characters, and an ARN may have more: its digest, with a `!` that base64 does not have. */
const markerOf = (key: string) => {
  const marker = base64(key)
  return marker.length <= 320 ? marker : `!${createHash('sha256').update(key).digest('base64url')}`
}

/** The key after which the next page begins. Throws ValidationError for what we did not hand out. */
const afterOf = ({ Marker }: Asked): string | undefined => {
  if (Marker === undefined) return undefined
  const key = Buffer.from(Marker, 'base64').toString('utf8')
  if (key === '' || base64(key) !== Marker) throw invalid('Invalid Marker.')
  return key
}

/** A page of a table's rows that `keep` accepts, in the order of their keys. */
export const pageOfTable = async <R>(
  tx: ReadTx,
  table: Table<R>,
  asked: Asked,
  keep: (record: R) => boolean = () => true,
  options: ListOptions = {},
): Promise<Page<R>> => {
  const want = size(asked)
  const items: R[] = []
  let after = afterOf(asked)
  for (;;) {
    const rows = await tx.list(table, { ...options, ...(after === undefined ? {} : { after }), limit: 200 })
    for (const row of rows) {
      if (!keep(row)) continue
      if (items.length === want) return { items, IsTruncated: true, Marker: markerOf(table.key(items.at(-1)!)) }
      items.push(row)
    }
    if (rows.length < 200) return { items, IsTruncated: false }
    after = table.key(rows.at(-1)!)
  }
}

/** A page of a list that is at hand, in the order of its keys. */
export const pageOfList = <T>(list: readonly T[], keyOf: (item: T) => string, asked: Asked): Page<T> => {
  const want = size(asked)
  const keyed = list.map((item) => ({ item, key: keyOf(item) }))
  const { Marker } = asked
  const after = Marker?.startsWith('!') ? keyed.find(({ key }) => markerOf(key) === Marker)?.key : afterOf(asked)
  if (Marker !== undefined && after === undefined) throw invalid('Invalid Marker.')
  const rest = keyed
    .filter(({ key }) => after === undefined || key > after)
    .toSorted((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : 0))
  const taken = rest.slice(0, want)
  const items = taken.map(({ item }) => item)
  return rest.length > want
    ? { items, IsTruncated: true, Marker: markerOf(taken.at(-1)!.key) }
    : { items, IsTruncated: false }
}

/** What a list operation answers besides its items. */
export const tail = ({ IsTruncated, Marker }: Page<unknown>): { IsTruncated: boolean; Marker?: string } =>
  Marker === undefined ? { IsTruncated } : { IsTruncated, Marker }
