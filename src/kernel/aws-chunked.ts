import { createHash } from 'node:crypto'
import { Readable } from 'node:stream'
import { AwsError } from './errors.ts'
import { sameText, sign } from './signature.ts'

// The `aws-chunked` content encoding (S3 API reference, "Signature calculations for the Authorization header:
// transferring payload in multiple chunks", with and without trailing headers). Memory is bounded by one piece of input.

export type ChunkSigning = {
  /** The derived key: date, region, service, `aws4_request`. */
  readonly signingKey: Buffer
  /** Signature of the request's headers: what the first chunk's signature is chained to. */
  readonly seedSignature: string
  /** As in `x-amz-date`: `20260101T000000Z`. */
  readonly timestamp: string
  /** `20260101/us-east-1/s3/aws4_request` */
  readonly scope: string
}

const longestLine = 1024
const longestTrailers = 16 * 1024
const emptyHash = createHash('sha256').digest('hex')

const incomplete = () =>
  new AwsError(
    'IncompleteBody',
    'The request body terminated unexpectedly or does not have the number of bytes specified by the x-amz-decoded-content-length HTTP header.',
    { status: 400 },
  )
const malformedTrailer = () =>
  new AwsError('MalformedTrailerError', 'The request contained trailing data that was not well-formed.', {
    status: 400,
  })
const mismatch = () =>
  new AwsError(
    'SignatureDoesNotMatch',
    'The request signature we calculated does not match the signature you provided. Check your key and signing method.',
    { status: 403 },
  )

/** The chain of signatures: each covers the one before it. */
const signatureChain = ({ signingKey, seedSignature, timestamp, scope }: ChunkSigning) => {
  let previous = seedSignature
  return (algorithm: string, given: string | undefined, hashes: readonly string[]) => {
    const toSign = [algorithm, timestamp, scope, previous, ...hashes].join('\n')
    if (!given || !sameText(sign(signingKey, toSign), given)) throw mismatch()
    previous = given
  }
}

const parseTrailers = (lines: readonly string[], announce: (name: string, value: string) => void) => {
  for (const line of lines) {
    const colon = line.indexOf(':')
    if (colon < 1) throw malformedTrailer()
    announce(line.slice(0, colon).trim().toLowerCase(), line.slice(colon + 1).trim())
  }
}

/**
 * Takes the chunk framing off a body. With `signed` every chunk's signature is verified, and that of the trailers where
 * there are any. The bytes of a chunk are passed on before its signature is known, so a consumer must not act on them
 * before the stream has ended well. `decodedLength` is `x-amz-decoded-content-length`.
 *
 * The body fails with IncompleteBody (framing or length wrong), MalformedTrailerError or SignatureDoesNotMatch.
 * `trailers` is complete once the body has ended.
 */
export const decodeAwsChunked = (
  body: Readable,
  options: { signed?: ChunkSigning; decodedLength?: number },
): { body: Readable; trailers: () => Record<string, string> } => {
  const trailers: Record<string, string> = {}
  const decoded = Readable.from(unframe(body, options, trailers), { objectMode: false, highWaterMark: 256 * 1024 })
  // Who reads it hears of an error all the same; a reader that has already left does not have to.
  decoded.on('error', () => undefined)
  return {
    body: decoded,
    trailers: () => ({ ...trailers }),
  }
}

async function* unframe(
  body: Readable,
  { signed, decodedLength }: { signed?: ChunkSigning; decodedLength?: number },
  trailers: Record<string, string>,
): AsyncGenerator<Buffer> {
  const verify = signed && signatureChain(signed)
  let state: 'size' | 'data' | 'data-end' | 'trailer' | 'end' = 'size'
  let rest: Buffer = Buffer.alloc(0)
  let left = 0
  let total = 0
  let hash = createHash('sha256')
  let signature: string | undefined
  let trailerBytes = 0
  const trailerLines: string[] = []

  const finishChunk = () => {
    verify?.('AWS4-HMAC-SHA256-PAYLOAD', signature, [emptyHash, hash.digest('hex')])
    hash = createHash('sha256')
  }

  const finish = () => {
    if (decodedLength !== undefined && total !== decodedLength) throw incomplete()
    let given: string | undefined
    let canonical = ''
    parseTrailers(trailerLines, (name, value) => {
      if (name === 'x-amz-trailer-signature') given = value
      else {
        trailers[name] = value
        canonical += `${name}:${value}\n`
      }
    })
    if (verify && (canonical || given))
      verify('AWS4-HMAC-SHA256-TRAILER', given, [createHash('sha256').update(canonical).digest('hex')])
  }

  // Not `for await (… of body)`: leaving that early would destroy the request's socket before the error is answered.
  for await (const piece of body.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
    let buffer = rest.length ? Buffer.concat([rest, piece]) : piece
    rest = Buffer.alloc(0)
    while (buffer.length > 0) {
      if (state === 'data') {
        const data = buffer.subarray(0, left)
        buffer = buffer.subarray(data.length)
        left -= data.length
        total += data.length
        if (decodedLength !== undefined && total > decodedLength) throw incomplete()
        if (verify) hash.update(data)
        yield data
        if (left > 0) continue
        finishChunk()
        state = 'data-end'
        continue
      }
      if (state === 'end') throw incomplete()
      const end = buffer.indexOf('\r\n')
      if (end > longestLine || (end < 0 && buffer.length > longestLine + 1))
        throw state === 'trailer' ? malformedTrailer() : incomplete()
      if (end < 0) {
        rest = buffer
        break
      }
      const line = buffer.toString('latin1', 0, end)
      buffer = buffer.subarray(end + 2)
      if (state === 'data-end') {
        if (line !== '') throw incomplete()
        state = 'size'
      } else if (state === 'size') {
        const [, size, extensions] = /^([0-9a-fA-F]{1,13})((?:;.*)?)$/.exec(line) ?? []
        if (size === undefined || !Number.isSafeInteger(Number.parseInt(size, 16))) throw incomplete()
        signature = /;\s*chunk-signature=([0-9a-f]+)/.exec(extensions ?? '')?.[1]
        left = Number.parseInt(size, 16)
        state = left > 0 ? 'data' : 'trailer'
        if (left === 0) finishChunk()
      } else if (line === '') {
        finish()
        state = 'end'
      } else {
        trailerBytes += line.length
        if (trailerBytes > longestTrailers) throw malformedTrailer()
        trailerLines.push(...line.split('\n').filter((part) => part !== ''))
      }
    }
  }
  // Some clients leave out the empty line after the last trailer.
  if (state === 'trailer' && rest.length === 0) finish()
  else if (state !== 'end') throw incomplete()
}
