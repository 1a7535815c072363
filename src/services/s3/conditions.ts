// Conditional requests and ranges (RFC 9110 as S3 reads it; "Conditional requests", S3 user guide). A pure engine.

export type ReadConditions = {
  readonly ifMatch?: string | undefined
  readonly ifNoneMatch?: string | undefined
  readonly ifModifiedSince?: Date | undefined
  readonly ifUnmodifiedSince?: Date | undefined
}

/** Whether one of the entity tags in a header names `etag`; quotes and weakness do not count, `*` is any. */
export const namesEtag = (header: string, etag: string): boolean =>
  header
    .split(',')
    .map((tag) =>
      tag
        .trim()
        .replace(/^W\//, '')
        .replace(/^"(.*)"$/, '$1'),
    )
    .some((tag) => tag === '*' || tag === etag)

/** Whether a condition on a change looks at the object's tag, which who may not read it is not told; `*` asks for any. */
export const comparesTag = (ifMatch: string | undefined): boolean => ifMatch !== undefined && ifMatch !== '*'

const seconds = (time: number) => Math.floor(time / 1000)

/** What a read with these conditions comes to: the tag conditions win over the times beside them. */
export const readCondition = (
  conditions: ReadConditions,
  { etag, modified }: { readonly etag: string; readonly modified: number },
): 'holds' | 'NotModified' | 'If-Match' | 'If-Unmodified-Since' => {
  const { ifMatch, ifNoneMatch, ifModifiedSince, ifUnmodifiedSince } = conditions
  if (ifMatch !== undefined) {
    if (!namesEtag(ifMatch, etag)) return 'If-Match'
  } else if (ifUnmodifiedSince && seconds(modified) > seconds(ifUnmodifiedSince.getTime())) return 'If-Unmodified-Since'
  if (ifNoneMatch !== undefined) {
    if (namesEtag(ifNoneMatch, etag)) return 'NotModified'
  } else if (ifModifiedSince && seconds(modified) <= seconds(ifModifiedSince.getTime())) return 'NotModified'
  return 'holds'
}

/** First byte and the byte after the last. */
export type ByteRange = { readonly start: number; readonly end: number }

/**
 * The bytes a Range header asks of an object; `undefined` is all of it, which several ranges and malformed ones get
 * too, as on S3.
 */
export const parseRange = (header: string | undefined, size: number): ByteRange | 'unsatisfiable' | undefined => {
  const [, first, last] = /^\s*bytes\s*=\s*(\d*)\s*-\s*(\d*)\s*$/i.exec(header ?? '') ?? []
  if (first === undefined || last === undefined || (first === '' && last === '')) return undefined
  if (first === '') {
    const length = Math.min(Number(last), size)
    return length === 0 ? 'unsatisfiable' : { start: size - length, end: size }
  }
  if (last !== '' && Number(last) < Number(first)) return undefined
  if (Number(first) >= size) return 'unsatisfiable'
  return { start: Number(first), end: last === '' ? size : Math.min(Number(last) + 1, size) }
}
