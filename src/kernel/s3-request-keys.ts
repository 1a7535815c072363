import type { RequestFacts } from './context.ts'

// Condition keys that every request to S3 and S3 Control carries ("Actions, resources, and condition keys for Amazon S3").

export type Keys = Readonly<Record<string, string | undefined>>

type Asked = { readonly request: Pick<RequestFacts, 'query' | 'headers' | 'received'> }

/** How the request was signed. The signature's age is that of a presigned URL: milliseconds since it was made. */
export const requestKeys = ({ request: { query, headers, received } }: Asked): Keys => {
  const inQuery = /(^|&)(X-Amz-Signature|Signature)=/i.test(query)
  const signed = inQuery || headers.authorization !== undefined
  return {
    's3:authType': signed ? (inQuery ? 'REST-QUERY-STRING' : 'REST-HEADER') : undefined,
    's3:signatureversion': signed
      ? /AWS4-HMAC/.test(query + (headers.authorization ?? ''))
        ? 'AWS4-HMAC-SHA256'
        : 'AWS'
      : undefined,
    's3:signatureAge': inQuery ? ageOf(query, received) : undefined,
    's3:x-amz-content-sha256': headers['x-amz-content-sha256'],
  }
}

const ageOf = (query: string, received: number | undefined): string | undefined => {
  const [, day, hours, minutes, seconds] = /(?:^|&)X-Amz-Date=(\d{8})T(\d\d)(\d\d)(\d\d)Z/i.exec(query) ?? []
  if (day === undefined || received === undefined) return undefined
  const date = `${day.slice(0, 4)}-${day.slice(4, 6)}-${day.slice(6)}T${hours}:${minutes}:${seconds}Z`
  const age = received - Date.parse(date)
  return Number.isNaN(age) ? undefined : String(Math.max(0, age))
}
