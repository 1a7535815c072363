import type { Ctx } from '../../kernel/context.ts'
import { notImplemented } from '../../kernel/errors.ts'
import { type ChecksumAlgorithm, checksumAlgorithms, headerOf, isChecksum, memberOf } from './checksum.ts'
import { largestAnnotation, largestPut, tooLarge } from './content.ts'
import { checkEncryptionAsked, type EncryptionAsked } from './encryption.ts'
import { fail } from './operation.ts'
import { isStorageClass } from './storage-class.ts'
import type { Headers } from './versions.ts'

// What the requests that bring bytes or describe an object have in common.

type Given = { readonly [member: string]: unknown }

export const isAlgorithm = (name: string): name is ChecksumAlgorithm => checksumAlgorithms.some((each) => each === name)

/** The algorithm a caller names, where he names one. Throws InvalidRequest. */
export const algorithmNamed = (name: string | undefined): ChecksumAlgorithm | undefined => {
  if (name === undefined) return undefined
  const algorithm = name.toUpperCase()
  if (isAlgorithm(algorithm)) return algorithm
  throw fail(
    'InvalidRequest',
    'Checksum algorithm provided is unsupported. Please try again with any of the valid types: [CRC32, CRC32C, CRC64NVME, SHA1, SHA256, SHA512, MD5, XXHASH64, XXHASH3, XXHASH128]',
  )
}

/** The one checksum among the members. Throws InvalidRequest when there are several or it cannot be one. */
export const checksumGiven = (input: Given): { algorithm: ChecksumAlgorithm; value: string } | undefined => {
  const given = checksumAlgorithms.flatMap((algorithm) => {
    const value = input[memberOf(algorithm)]
    return typeof value === 'string' ? [{ algorithm, value }] : []
  })
  if (given.length > 1)
    throw fail('InvalidRequest', 'Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.')
  return given[0]
}

const checkedValue = (algorithm: ChecksumAlgorithm, value: string): string => {
  if (!isChecksum(algorithm, value)) throw fail('InvalidRequest', `Value for ${headerOf(algorithm)} header is invalid.`)
  return value
}

/**
 * What the caller says of the integrity of his body: the algorithm in which to compute, and a check of the result that
 * throws BadDigest. The value may come as a header or as a trailer after the body.
 */
export const integrityOf = (
  ctx: Ctx,
  input: Given,
): { algorithm: ChecksumAlgorithm | undefined; check: (computed: { md5: string; checksum: string }) => void } => {
  const given = checksumGiven(input)
  if (given) checkedValue(given.algorithm, given.value)
  const trailer = (ctx.request.headers['x-amz-trailer'] ?? '')
    .split(',')
    .map((name) => /^\s*x-amz-checksum-(\w+)\s*$/i.exec(name)?.[1])
    .find((name) => name !== undefined)
  const named = algorithmNamed(typeof input.ChecksumAlgorithm === 'string' ? input.ChecksumAlgorithm : undefined)
  const trailing = algorithmNamed(trailer)
  if (ctx.request.headers['x-amz-sdk-checksum-algorithm'] !== undefined && named && !given && !trailing)
    throw fail(
      'InvalidRequest',
      'x-amz-sdk-checksum-algorithm specified, but no corresponding x-amz-checksum-* or x-amz-trailer headers were found.',
    )
  const md5 = contentMd5(input.ContentMD5)
  const algorithm = given?.algorithm ?? trailing ?? named
  return {
    algorithm,
    check: (computed) => {
      if (md5 !== undefined && md5 !== computed.md5)
        throw fail('BadDigest', 'The Content-MD5 you specified did not match what we received.', {
          ExpectedDigest: md5,
          CalculatedDigest: computed.md5,
        })
      const expected = given?.value ?? (trailing && trailingValue(ctx, trailing))
      if (expected !== undefined && algorithm && expected !== computed.checksum)
        throw fail('BadDigest', `The ${algorithm} you specified did not match the calculated checksum.`)
    },
  }
}

const trailingValue = (ctx: Ctx, algorithm: ChecksumAlgorithm): string => {
  const value = ctx.request.trailers()[headerOf(algorithm)]
  if (value === undefined)
    throw fail(
      'MalformedTrailerError',
      'The request contained trailing data that was not well-formed or did not conform to our published schema.',
    )
  return checkedValue(algorithm, value)
}

/** Hexadecimal. Throws InvalidDigest. */
export const contentMd5 = (header: unknown): string | undefined => {
  if (typeof header !== 'string') return undefined
  const bytes = Buffer.from(header, 'base64')
  if (bytes.length !== 16 || bytes.toString('base64') !== header)
    throw fail('InvalidDigest', 'The Content-MD5 you specified was invalid.')
  return bytes.toString('hex')
}

const longestKey = 1024

/**
 * Throws KeyTooLongError for more than 1,024 bytes of UTF-8, and InvalidURI where more `..` have come than elements that are
 * none, read from the left ("Naming Amazon S3 objects", S3 user guide).
 */
export const checkKey = (key: string): void => {
  const size = Buffer.byteLength(key)
  if (size > longestKey)
    throw fail('KeyTooLongError', 'Your key is too long', { Size: size, MaxSizeAllowed: longestKey })
  let depth = 0
  for (const element of key.split('/')) {
    if (element !== '.') depth += element === '..' ? -1 : 1
    if (depth < 0) throw fail('InvalidURI', "Couldn't parse the specified URI.", { URI: key })
  }
}

/** A body's length is announced, and too long a body is not asked for. Throws MissingContentLength, EntityTooLarge. */
const checkLength = ({ request: { headers } }: Ctx, most: number): void => {
  const length = headers['x-amz-decoded-content-length'] ?? headers['content-length']
  if (length === undefined) throw fail('MissingContentLength', 'You must provide the Content-Length HTTP header.')
  if (Number(length) > most) throw tooLarge(Number(length), most)
}

/** What operations that bring bytes may bring, in bytes. */
const largest: Readonly<Record<string, number>> = {
  PutObject: largestPut,
  UploadPart: largestPut,
  PutObjectAnnotation: largestAnnotation,
}

/** A part without its number, or without its upload, is no object. Throws InvalidArgument. */
const refuseStrayPart = ({ request: { query } }: Ctx): void => {
  const [, stray] = /(?:^|&)(uploadId|partNumber)(?:=|&|$)/.exec(query) ?? []
  if (stray !== undefined)
    throw fail(
      'InvalidArgument',
      `This operation does not accept a ${stray} without ${stray === 'uploadId' ? 'a partNumber' : 'an uploadId'}`,
      { ArgumentName: stray },
    )
}

/** What is wrong with an upload before a byte of it has come. Throws KeyTooLongError, InvalidURI, MissingContentLength, EntityTooLarge, InvalidArgument. */
export const checkHead = (ctx: Ctx, operation: string, key: unknown): void => {
  if (typeof key === 'string') checkKey(key)
  const most = largest[operation]
  if (most !== undefined) checkLength(ctx, most)
  if (operation === 'PutObject') refuseStrayPart(ctx)
}

/** Throws for what a request asks and Drydock does not do; what AWS itself would refuse gets AWS's error. */
export const refuseUnsupported = (input: Given & EncryptionAsked): void => {
  checkEncryptionAsked(input)
  if (input.StorageClass !== undefined && !isStorageClass(input.StorageClass))
    throw fail('InvalidStorageClass', 'The storage class you specified is not valid', {
      StorageClassRequested: input.StorageClass,
    })
  const { WebsiteRedirectLocation: location } = input
  if (typeof location === 'string' && location !== '' && !/^(https?:\/\/|\/)/.test(location))
    throw fail(
      'InvalidRedirectLocation',
      "The website redirect location must have a prefix of 'http://' or 'https://' or '/'.",
    )
  if (input.WriteOffsetBytes !== undefined) throw notImplemented('S3 appends to objects')
}

export const headersOf = (
  ctx: Ctx,
  input: {
    readonly CacheControl?: string | undefined
    readonly ContentDisposition?: string | undefined
    readonly ContentEncoding?: string | undefined
    readonly ContentLanguage?: string | undefined
    readonly ContentType?: string | undefined
    readonly Expires?: Date | undefined
    readonly WebsiteRedirectLocation?: string | undefined
  },
): Headers => {
  const encoding = input.ContentEncoding?.split(',')
    .map((coding) => coding.trim())
    .filter((coding) => coding !== '' && coding !== 'aws-chunked')
    .join(',')
  const expires = ctx.request.headers.expires ?? input.Expires?.toUTCString()
  return {
    contentType: input.ContentType || 'binary/octet-stream',
    ...(input.CacheControl ? { cacheControl: input.CacheControl } : {}),
    ...(input.ContentDisposition ? { contentDisposition: input.ContentDisposition } : {}),
    ...(encoding ? { contentEncoding: encoding } : {}),
    ...(input.ContentLanguage ? { contentLanguage: input.ContentLanguage } : {}),
    ...(expires ? { expires } : {}),
    ...(input.WebsiteRedirectLocation ? { websiteRedirectLocation: input.WebsiteRedirectLocation } : {}),
  }
}
