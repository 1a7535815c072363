import { expect, test } from 'vitest'
import { requestKeys } from './s3-request-keys.ts'

const received = Date.parse('2026-11-23T09:10:00Z')
const keysOf = (query: string, headers: Record<string, string> = {}) =>
  requestKeys({ request: { query, headers, received } })

test('a presigned URL tells the age of its signature, and other requests none', () => {
  const signed = 'X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Date=20261123T090000Z&X-Amz-Signature=ab'
  expect(keysOf(signed)).toMatchObject({
    's3:authType': 'REST-QUERY-STRING',
    's3:signatureversion': 'AWS4-HMAC-SHA256',
    's3:signatureAge': '600000',
  })
  // A client whose clock is ahead signs no later than now.
  expect(keysOf(signed.replace('0900', '0920'))['s3:signatureAge']).toBe('0')
  expect(keysOf(signed.replace('20261123', '20269999'))['s3:signatureAge']).toBeUndefined()
  const header = { authorization: 'AWS4-HMAC-SHA256 Credential=x', 'x-amz-content-sha256': 'UNSIGNED-PAYLOAD' }
  expect(keysOf('X-Amz-Date=20261123T090000Z', header)).toEqual({
    's3:authType': 'REST-HEADER',
    's3:signatureversion': 'AWS4-HMAC-SHA256',
    's3:signatureAge': undefined,
    's3:x-amz-content-sha256': 'UNSIGNED-PAYLOAD',
  })
  expect(keysOf('Signature=x&Expires=1')['s3:signatureversion']).toBe('AWS')
  expect(Object.values(keysOf('')).every((value) => value === undefined)).toBe(true)
})
