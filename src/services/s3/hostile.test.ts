import { connect } from 'node:net'
import { CreateBucketCommand, PutObjectCommand, S3Client } from '@aws-sdk/client-s3'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Story, story } from '../../../test/story.ts'

// Requests no SDK would make, sent raw: each gets S3's error, and nothing changes.

let drydock: Story
beforeAll(async () => {
  drydock = await story({ config: { auth: 'trust' } })
  const s3 = drydock.client(S3Client)
  await s3.send(new CreateBucketCommand({ Bucket: 'hostile' }))
  await s3.send(new PutObjectCommand({ Bucket: 'hostile', Key: 'k', Body: 'kept' }))
})
afterAll(async () => {
  expect(await send('GET', '/k').then(({ text }) => text)).toBe('kept')
  await drydock.close()
})

const send = async (method: string, path: string, body?: string, headers: Record<string, string> = {}) => {
  const now = new Date().toISOString().replace(/[-:]|\.\d+/g, '')
  const authorization = `AWS4-HMAC-SHA256 Credential=${drydock.account}/${now.slice(0, 8)}/us-east-1/s3/aws4_request, SignedHeaders=host;x-amz-date, Signature=${'0'.repeat(64)}`
  const response = await fetch(`${drydock.endpoint}/hostile${path}`, {
    method,
    headers: { authorization, 'x-amz-date': now, 'x-amz-content-sha256': 'UNSIGNED-PAYLOAD', ...headers },
    ...(body === undefined ? {} : { body }),
  })
  const text = await response.text()
  return { status: response.status, text, code: /<Code>(\w+)/.exec(text)?.[1] }
}
const chunked = {
  'content-encoding': 'aws-chunked',
  'x-amz-content-sha256': 'STREAMING-UNSIGNED-PAYLOAD-TRAILER',
  'x-amz-decoded-content-length': '1',
  'x-amz-trailer': 'x-amz-checksum-crc32',
}
const policy = (statement: object) => JSON.stringify({ Version: '2012-10-17', Statement: [statement] })

test.each<[code: string, method: string, path: string, body?: string, headers?: Record<string, string>]>([
  ['InvalidArgument', 'GET', '/k?versionId='],
  ['InvalidArgument', 'DELETE', '/k?versionId=../../x'],
  ['InvalidPartNumber', 'GET', '/k?partNumber=0'],
  ['InvalidArgument', 'GET', '/k?partNumber=abc'],
  ['InvalidURI', 'GET', '/%ff'],
  ['InvalidURI', 'GET', '/%zz'],
  ['NoSuchKey', 'GET', '/%00'],
  ['NoSuchUpload', 'PUT', '/k?uploadId=x&partNumber=1', 'x'],
  ['InvalidArgument', 'PUT', '/k?uploadId=x', 'x'],
  ['InvalidArgument', 'PUT', '/k?partNumber=1', 'x'],
  ['InvalidArgument', 'PUT', '/k?uploadId=x&partNumber=0', 'x'],
  ['InvalidArgument', 'PUT', '/k?uploadId=x&partNumber=10001', 'x'],
  ['InvalidArgument', 'PUT', '/k?uploadId=x&partNumber=one', 'x'],
  ['NoSuchUpload', 'POST', '/k?uploadId=', '<CompleteMultipartUpload/>'],
  ['InvalidRequest', 'POST', '?delete', '<Delete><Object><Key>k</Key></Object></Delete>'],
  [
    'BadDigest',
    'POST',
    '?delete',
    '<Delete><Object><Key>k</Key></Object></Delete>',
    { 'content-md5': 'XUFAKrxLKna5cZ2REBfFkg==' },
  ],
  ['InvalidDigest', 'POST', '?delete', '<Delete><Object><Key>k</Key></Object></Delete>', { 'content-md5': 'short' }],
  [
    'MalformedXML',
    'POST',
    '?delete',
    '<Delete><Object><Key></Key></Object></Delete>',
    { 'content-md5': 'D4u8Yz2FKBjaKmHO7IlgxQ==' },
  ],
  ['MalformedXML', 'POST', '?delete', 'garbage'],
  ['MalformedXML', 'POST', '?delete', ''],
  ['MalformedXML', 'POST', '?delete', '<Delete><Object></Object></Delete>'],
  ['MissingRequestBodyError', 'PUT', '?policy', ''],
  ['MalformedPolicy', 'PUT', '?policy', 'null'],
  ['MalformedPolicy', 'PUT', '?policy', '{"Statement":[null]}'],
  [
    'MalformedPolicy',
    'PUT',
    '?policy',
    policy({ Effect: 'Deny', Principal: { AWS: 5 }, Action: 's3:*', Resource: 'arn:aws:s3:::hostile' }),
  ],
  ['MalformedPolicy', 'PUT', '?policy', `{"Version":"2012-10-17","Id":"${'x'.repeat(21_000)}"}`],
  ['MalformedXML', 'PUT', '?tagging', '<Tagging/>'],
  ['MalformedXML', 'PUT', '/k?tagging', '<Tagging/>'],
  ['MalformedXML', 'PUT', '/k?tagging', ''],
  [
    'MalformedXML',
    'PUT',
    '?versioning',
    '<VersioningConfiguration><Status>Sometimes</Status></VersioningConfiguration>',
  ],
  [
    'MalformedXML',
    'PUT',
    '?versioning',
    '<!DOCTYPE x [<!ENTITY a "b">]><VersioningConfiguration><Status>&a;</Status></VersioningConfiguration>',
  ],
  ['MalformedXML', 'PUT', '?encryption', '<ServerSideEncryptionConfiguration/>'],
  ['MalformedXML', 'PUT', '?publicAccessBlock', ''],
  ['MalformedXML', 'PUT', '?cors', '<CORSConfiguration/>'],
  ['MalformedXML', 'PUT', '?lifecycle', '<LifecycleConfiguration/>'],
  ['MalformedXML', 'POST', '/k?restore', ''],
  ['InvalidArgument', 'GET', '?list-type=2&max-keys=abc'],
  ['InvalidArgument', 'GET', '?list-type=2&max-keys=99999999999999'],
  ['InvalidArgument', 'GET', '?list-type=2&max-keys=-1'],
  ['InvalidArgument', 'GET', '?list-type=2&continuation-token='],
  ['InvalidArgument', 'GET', '?list-type=2&continuation-token=%00'],
  ['InvalidArgument', 'GET', '?list-type=2&encoding-type=base64'],
  ['InvalidArgument', 'GET', '?versions&version-id-marker=null'],
  ['InvalidArgument', 'GET', '?uploads&max-uploads=-1'],
  ['InvalidArgument', 'PUT', '/k', '', { 'x-amz-copy-source': '%' }],
  ['InvalidArgument', 'PUT', '/k', '', { 'x-amz-copy-source': '//k' }],
  ['InvalidTag', 'PUT', '/k', 'x', { 'x-amz-tagging': 'a=b&a=c' }],
  ['InvalidDigest', 'PUT', '/k', 'x', { 'content-md5': '' }],
  ['InvalidRequest', 'PUT', '/k', 'x', { 'x-amz-checksum-crc32': '' }],
  ['InvalidRequest', 'PUT', '/k', 'x', { 'x-amz-checksum-crc32': 'AAAAAA==', 'x-amz-checksum-sha1': 'x' }],
  ['InvalidRequest', 'PUT', '/k', 'x', { 'x-amz-checksum-xxhash64': 'x' }],
  ['InvalidRequest', 'PUT', '/k', 'x', { 'x-amz-sdk-checksum-algorithm': 'CRC32' }],
  ['MalformedTrailerError', 'PUT', '/k', 'x', { 'x-amz-trailer': 'x-amz-checksum-crc32' }],
  ['IncompleteBody', 'PUT', '/k', 'zz\r\n', chunked],
  ['IncompleteBody', 'PUT', '/k', '2\r\nxx\r\n0\r\n\r\n', chunked],
  ['MalformedTrailerError', 'PUT', '/k', '1\r\nx\r\n0\r\n\r\n', chunked],
  ['BadDigest', 'PUT', '/k', '1\r\nx\r\n0\r\nx-amz-checksum-crc32:AAAAAA==\r\n\r\n', chunked],
  ['InvalidRange', 'GET', '/k', undefined, { range: `bytes=${'9'.repeat(400)}-` }],
  ['PreconditionFailed', 'GET', '/k', undefined, { 'if-match': ',' }],
  ['InvalidArgument', 'GET', '/k?attributes', undefined, { 'x-amz-object-attributes': 'Nonsense' }],
])('%s: %s %s %j', async (code, method, path, body, headers) => {
  expect((await send(method, path, body, headers)).code).toBe(code)
})

/** A request of which only the head is sent, and its answer. */
const head = (lines: readonly string[]) =>
  new Promise<string>((resolve, reject) => {
    const { host, hostname, port } = new URL(drydock.endpoint)
    const now = new Date().toISOString().replace(/[-:]|\.\d+/g, '')
    const socket = connect(Number(port), hostname, () => {
      const credential = `Credential=${drydock.account}/${now.slice(0, 8)}/us-east-1/s3/aws4_request`
      const authorization = `AWS4-HMAC-SHA256 ${credential}, SignedHeaders=host;x-amz-date, Signature=${'0'.repeat(64)}`
      const all = [...lines, `host: ${host}`, `authorization: ${authorization}`, `x-amz-date: ${now}`]
      socket.write(`${[...all, 'x-amz-content-sha256: UNSIGNED-PAYLOAD'].join('\r\n')}\r\n\r\n`)
    })
    let text = ''
    socket.setEncoding('utf8').on('data', (piece: string) => {
      text += piece
      if (text.includes('</Error>')) socket.end()
    })
    socket.on('close', () => resolve(text)).on('error', reject)
  })
const tooMuch = 5 * 1024 ** 3 + 1

test.each<[code: string, lines: string[]]>([
  ['EntityTooLarge', ['PUT /hostile/huge HTTP/1.1', `content-length: ${tooMuch}`]],
  ['EntityTooLarge', ['PUT /hostile/huge HTTP/1.1', `content-length: ${tooMuch}`, 'expect: 100-continue']],
  [
    'EntityTooLarge',
    ['PUT /hostile/huge HTTP/1.1', `content-length: ${tooMuch + 90_000}`, `x-amz-decoded-content-length: ${tooMuch}`],
  ],
  ['EntityTooLarge', ['PUT /hostile/k?partNumber=1&uploadId=x HTTP/1.1', `content-length: ${tooMuch}`]],
  ['MissingContentLength', ['PUT /hostile/k HTTP/1.1']],
  ['MissingContentLength', ['PUT /hostile/k HTTP/1.1', 'transfer-encoding: chunked']],
])('%s before a byte of the body has come: %j', async (code, lines) => {
  const text = await head(lines)
  expect(text).toContain(`<Code>${code}</Code>`)
  expect(text).not.toContain('100 Continue')
  if (code === 'EntityTooLarge')
    expect(text).toContain(`<ProposedSize>${tooMuch}</ProposedSize><MaxSizeAllowed>5368709120</MaxSizeAllowed>`)
})

test.each([
  ['/absent', {}, 404],
  ['/k', { range: 'bytes=90-' }, 416],
  ['/k', { 'if-match': '"x"' }, 412],
  ['/k?versionId=..', {}, 400],
] as const)('an error of HEAD has no body: %s %j', async (path, headers, status) => {
  expect(await send('HEAD', path, undefined, headers)).toEqual({ status, text: '', code: undefined })
})
