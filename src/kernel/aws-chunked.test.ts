import { createHash, createHmac } from 'node:crypto'
import { Readable } from 'node:stream'
import { expect, test } from 'vitest'
import { decodeAwsChunked } from './aws-chunked.ts'
import { AwsError } from './errors.ts'

const signingKey = createHmac('sha256', 'any').update('key').digest()
const signed = {
  signingKey,
  seedSignature: 'a'.repeat(64),
  timestamp: '20260101T000000Z',
  scope: '20260101/us-east-1/s3/aws4_request',
}
const sha = (text: string | Buffer) => createHash('sha256').update(text).digest('hex')

const frame = (chunks: readonly string[], trailers = '') => {
  let previous = signed.seedSignature
  const sign = (algorithm: string, ...hashes: string[]) => {
    previous = createHmac('sha256', signingKey)
      .update([algorithm, signed.timestamp, signed.scope, previous, ...hashes].join('\n'))
      .digest('hex')
    return previous
  }
  let text = ''
  for (const chunk of [...chunks, ''])
    text += `${Buffer.byteLength(chunk).toString(16)};chunk-signature=${sign('AWS4-HMAC-SHA256-PAYLOAD', sha(''), sha(chunk))}\r\n${chunk ? `${chunk}\r\n` : ''}`
  if (trailers)
    text += `${trailers}\n\r\nx-amz-trailer-signature:${sign('AWS4-HMAC-SHA256-TRAILER', sha(`${trailers}\n`))}\r\n`
  return `${text}\r\n`
}

const read = async (text: string, options: Parameters<typeof decodeAwsChunked>[1], step = 7) => {
  const pieces = Array.from({ length: Math.ceil(text.length / step) }, (_, i) =>
    Buffer.from(text.slice(i * step, (i + 1) * step)),
  )
  const { body, trailers } = decodeAwsChunked(Readable.from(pieces), options)
  const parts: Buffer[] = []
  for await (const part of body) parts.push(part)
  return { text: Buffer.concat(parts).toString(), trailers: trailers() }
}

const codeOf = async (promise: Promise<unknown>) =>
  promise.then(
    () => 'ok',
    (error: unknown) => (error instanceof AwsError ? error.code : String(error)),
  )

test.each([1, 2, 7, 64, 10_000])('chunks and trailers arrive, read %i bytes at a time', async (step) => {
  expect(
    await read('5\r\nhello\r\n6\r\n world\r\n0\r\nx-amz-checksum-crc32:AAAAAA==\r\n\r\n', { decodedLength: 11 }, step),
  ).toEqual({
    text: 'hello world',
    trailers: { 'x-amz-checksum-crc32': 'AAAAAA==' },
  })
  expect(await read('0\r\n\r\n', { decodedLength: 0 }, step)).toEqual({ text: '', trailers: {} })
  expect(await read(frame(['hello', ' signed\r\n0\r\n']), { signed, decodedLength: 17 }, step)).toEqual({
    text: 'hello signed\r\n0\r\n',
    trailers: {},
  })
  expect(await read(frame(['hello'], 'x-amz-checksum-sha1:abc='), { signed }, step)).toEqual({
    text: 'hello',
    trailers: { 'x-amz-checksum-sha1': 'abc=' },
  })
})

test('the example of the S3 API reference verifies', async () => {
  const hmac = (key: string | Buffer, data: string) => createHmac('sha256', key).update(data).digest()
  const key = hmac(
    hmac(hmac(hmac('AWS4wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY', '20130524'), 'us-east-1'), 's3'),
    'aws4_request',
  )
  const text = [
    '10000;chunk-signature=ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648',
    'a'.repeat(65_536),
    '400;chunk-signature=0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497',
    'a'.repeat(1024),
    '0;chunk-signature=b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9',
    '',
    '',
  ].join('\r\n')
  const example = {
    signingKey: key,
    seedSignature: '4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9',
    timestamp: '20130524T000000Z',
    scope: '20130524/us-east-1/s3/aws4_request',
  }
  expect((await read(text, { signed: example, decodedLength: 66_560 }, 4096)).text).toHaveLength(66_560)
})

test.each([
  ['no last chunk', '5\r\nhello\r\n', {}, 'IncompleteBody'],
  ['cut inside a chunk', '5\r\nhel', {}, 'IncompleteBody'],
  ['cut inside a trailer', '0\r\nx-amz-checksum-crc32:AA', {}, 'IncompleteBody'],
  ['no size', 'hello\r\n', {}, 'IncompleteBody'],
  ['negative size', '-1\r\n', {}, 'IncompleteBody'],
  ['huge size', 'ffffffffffffffff\r\n', {}, 'IncompleteBody'],
  ['endless size line', '5'.repeat(5000), {}, 'IncompleteBody'],
  ['chunk longer than said', '5\r\nhello!\r\n0\r\n\r\n', {}, 'IncompleteBody'],
  ['more after the end', '0\r\n\r\nmore', {}, 'IncompleteBody'],
  ['shorter than the decoded length', '5\r\nhello\r\n0\r\n\r\n', { decodedLength: 6 }, 'IncompleteBody'],
  ['longer than the decoded length', '5\r\nhello\r\n0\r\n\r\n', { decodedLength: 4 }, 'IncompleteBody'],
  ['trailer without colon', '0\r\nnonsense\r\n\r\n', {}, 'MalformedTrailerError'],
  ['endless trailers', `0\r\n${'a:b\r\n'.repeat(10_000)}\r\n`, {}, 'MalformedTrailerError'],
  ['unsigned where signatures are due', '5\r\nhello\r\n0\r\n\r\n', { signed }, 'SignatureDoesNotMatch'],
  ['a chunk changed', frame(['hello']).replace('hello', 'hallo'), { signed }, 'SignatureDoesNotMatch'],
  ['a chunk left out', frame(['hello', 'world']).replace(/5;.*\r\nhello\r\n/, ''), { signed }, 'SignatureDoesNotMatch'],
  ['a trailer changed', frame(['hello'], 'x-a:b').replace('x-a:b', 'x-a:c'), { signed }, 'SignatureDoesNotMatch'],
  [
    'a trailer unsigned',
    frame(['hello'], 'x-a:b').replace(/x-amz-trailer-signature.*\r\n/, ''),
    { signed },
    'SignatureDoesNotMatch',
  ],
])('%s', async (_name, text, options, code) => {
  expect(await codeOf(read(text, options))).toBe(code)
})
