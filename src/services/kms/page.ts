import { fail } from './operation.ts'

type Asked = { readonly Limit?: number | undefined; readonly Marker?: string | undefined }

/** Raises InvalidMarkerException for a marker that is not ours. */
export const afterOf = ({ Marker }: Asked): string | undefined => {
  if (Marker === undefined) return undefined
  const text = Buffer.from(Marker, 'base64url').toString()
  if (!text.startsWith('after:')) throw fail('InvalidMarkerException', 'The marker is invalid.')
  return text.slice('after:'.length)
}

/** One page of a list that is in the order of `position`. */
export const pageOf = <T>(
  items: readonly T[],
  asked: Asked,
  position: (item: T) => string,
  usual = 100,
): { items: readonly T[]; tail: { Truncated: boolean; NextMarker?: string } } => {
  const after = afterOf(asked)
  const rest = after === undefined ? items : items.filter((item) => position(item) > after)
  const page = rest.slice(0, asked.Limit ?? usual)
  const last = page.at(-1)
  return last && rest.length > page.length
    ? {
        items: page,
        tail: { Truncated: true, NextMarker: Buffer.from(`after:${position(last)}`).toString('base64url') },
      }
    : { items: page, tail: { Truncated: false } }
}
