import { createHash, createHmac } from 'node:crypto'
import {
  CreateBucketCommand,
  DeletePublicAccessBlockCommand,
  GetObjectCommand,
  GetObjectTaggingCommand,
  HeadObjectCommand,
  PutBucketPolicyCommand,
  S3Client,
} from '@aws-sdk/client-s3'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { allow, type Keys, type Story, story } from '../../../test/story.ts'

let drydock: Story
let s3: S3Client
const Bucket = 'forms'
beforeAll(async () => {
  drydock = await story()
  s3 = drydock.client(S3Client)
  await s3.send(new CreateBucketCommand({ Bucket }))
})
afterAll(() => drydock.close())

const hmac = (key: string | Buffer, text: string) => createHmac('sha256', key).update(text).digest()

/** Fields of a signed form. Signatures are held against the clock nobody turns. */
const signed = (conditions: readonly unknown[], keys: Keys = drydock.root, lives = 600_000): Record<string, string> => {
  const stamp = new Date().toISOString().replace(/[-:]|\.\d+/g, '')
  const date = stamp.slice(0, 8)
  const credential = `${keys.accessKeyId}/${date}/us-east-1/s3/aws4_request`
  const fields = {
    'X-Amz-Algorithm': 'AWS4-HMAC-SHA256',
    'X-Amz-Credential': credential,
    'X-Amz-Date': stamp,
  }
  const policy = Buffer.from(
    JSON.stringify({
      expiration: new Date(Date.now() + lives).toISOString(),
      conditions: [
        ...conditions,
        { bucket: Bucket },
        ...Object.entries(fields).map(([name, value]) => ({ [name]: value })),
      ],
    }),
  ).toString('base64')
  const signingKey = [date, 'us-east-1', 's3', 'aws4_request'].reduce<string | Buffer>(
    (key, text) => hmac(key, text),
    `AWS4${keys.secretAccessKey}`,
  )
  return { ...fields, Policy: policy, 'X-Amz-Signature': hmac(signingKey, policy).toString('hex') }
}

const post = async (fields: Record<string, string>, content: string | Buffer = 'hello', path = `/${Bucket}`) => {
  const form = new FormData()
  for (const [name, value] of Object.entries(fields)) form.append(name, value)
  form.append('file', new Blob([content], { type: 'text/plain' }), 'note.txt')
  const response = await fetch(`${drydock.endpoint}${path}`, { method: 'POST', body: form, redirect: 'manual' })
  const text = await response.text()
  return { status: response.status, headers: response.headers, text, code: /<Code>(.*?)<\/Code>/.exec(text)?.[1] }
}
const anything = [
  ['starts-with', '$key', ''],
  ['starts-with', '$success_action_status', ''],
]

test('a signed form uploads, with all that it says of the object', async () => {
  const fields = {
    key: 'user/${filename}',
    'Content-Type': 'text/markdown',
    'x-amz-meta-color': 'red',
    tagging: '<Tagging><TagSet><Tag><Key>a</Key><Value>b + c</Value></Tag></TagSet></Tagging>',
    'x-amz-server-side-encryption': 'aws:kms',
    'x-ignore-this': 'x',
    success_action_status: '201',
  }
  const conditions = [
    ...anything,
    ['eq', '$Content-Type', 'text/markdown'],
    { 'x-amz-meta-color': 'red' },
    ['starts-with', '$tagging', ''],
    { 'x-amz-server-side-encryption': 'aws:kms' },
    ['content-length-range', 1, 100],
  ]
  const answer = await post({ ...fields, ...signed(conditions) })
  expect(answer.status).toBe(201)
  expect(answer.text).toContain(`<Bucket>${Bucket}</Bucket><Key>user/note.txt</Key>`)
  expect(answer.headers.get('x-amz-server-side-encryption')).toBe('aws:kms')
  const at = { Bucket, Key: 'user/note.txt' }
  const { Body, ...head } = await s3.send(new GetObjectCommand(at))
  expect(await Body?.transformToString()).toBe('hello')
  expect(head).toMatchObject({
    ContentType: 'text/markdown',
    Metadata: { color: 'red' },
    ETag: answer.headers.get('etag'),
  })
  expect((await s3.send(new GetObjectTaggingCommand(at))).TagSet).toEqual([{ Key: 'a', Value: 'b + c' }])
})

test('a checksum of the file is held against it, whatever its algorithm', async () => {
  const name = 'x-amz-checksum-sha512'
  const with512 = (content: string) => ({
    key: 'summed',
    [name]: createHash('sha512').update(content).digest('base64'),
    ...signed([...anything, ['starts-with', `$${name}`, '']]),
  })
  expect((await post(with512('other'))).code).toBe('BadDigest')
  expect((await post(with512('hello'))).status).toBe(204)
})

test('the browser is sent on, or told nothing', async () => {
  const to = 'http://example.com/done?x=1'
  const conditions = [...anything, { success_action_redirect: to }]
  const { status, headers } = await post({
    key: 'k',
    success_action_redirect: to,
    success_action_status: '200',
    ...signed(conditions),
  })
  expect(status).toBe(303)
  expect(headers.get('location')).toMatch(/^http:\/\/example\.com\/done\?x=1&bucket=forms&key=k&etag=%225d41/)
  expect((await post({ key: 'k', success_action_status: '302', ...signed(anything) })).status).toBe(204)
})

test('a large file streams through, and only as long as its policy says', async () => {
  const large = Buffer.alloc(3_000_000, 'large ')
  const conditions = [...anything, ['content-length-range', 10, 2_999_999]]
  const at = { Bucket, Key: 'large' }
  expect(await post({ key: 'large', ...signed(conditions) }, large)).toMatchObject({
    status: 400,
    code: 'EntityTooLarge',
  })
  expect(await post({ key: 'large', ...signed(conditions) }, 'small')).toMatchObject({ code: 'EntityTooSmall' })
  await expect(s3.send(new HeadObjectCommand(at))).rejects.toMatchObject({ name: 'NotFound' })
  expect((await post({ key: 'large', ...signed(anything) }, large)).status).toBe(204)
  expect((await s3.send(new HeadObjectCommand(at))).ContentLength).toBe(3_000_000)
})

test.each([
  ['a key its policy does not let in', { key: 'other' }, [['starts-with', '$key', 'user/']], 'AccessDenied'],
  ['a field its policy does not name', { key: 'k', 'x-amz-meta-a': '1' }, anything, 'AccessDenied'],
  ['a condition without its field', { key: 'k' }, [...anything, { acl: 'private' }], 'AccessDenied'],
  ['a condition nobody knows', { key: 'k' }, [['like', '$key', 'k']], 'InvalidPolicyDocument'],
  ['no key', {}, anything, 'InvalidArgument'],
  ['an empty key', { key: '' }, anything, 'UserKeyMustBeSpecified'],
] as const)('refused: %s', async (_, fields, conditions, code) => {
  const answer = await post({ ...fields, ...signed(conditions) })
  expect(answer).toMatchObject({ code })
})

test('refused: what expired, what was changed, who may not', async () => {
  expect(await post({ key: 'k', ...signed(anything, drydock.root, -1000) })).toMatchObject({
    status: 403,
    code: 'AccessDenied',
  })
  const fields = signed(anything)
  const Policy = Buffer.from(
    Buffer.from(fields.Policy ?? '', 'base64')
      .toString()
      .replace('"$key",""', '"$key","x"'),
  ).toString('base64')
  expect(await post({ key: 'k', ...fields, Policy })).toMatchObject({ status: 403, code: 'SignatureDoesNotMatch' })
  const { 'X-Amz-Signature': _, ...unsigned } = fields
  expect(await post({ key: 'k', ...unsigned })).toMatchObject({ code: 'InvalidArgument' })
  const stranger = { accessKeyId: 'AKIAIOSFODNN7EXAMPLE', secretAccessKey: 'x' }
  expect(await post({ key: 'k', ...signed(anything, stranger) })).toMatchObject({ code: 'InvalidAccessKeyId' })
  const user = await drydock.user('uploader', [allow('s3:PutObject', `arn:aws:s3:::${Bucket}/mine/*`)])
  expect(await post({ key: 'theirs', ...signed(anything, user) })).toMatchObject({ status: 403, code: 'AccessDenied' })
  expect((await post({ key: 'mine/x', ...signed(anything, user) })).status).toBe(204)
  expect(await post({ key: 'k', ...signed(anything) }, 'x', `/${Bucket}/key`)).toMatchObject({ status: 405 })
  expect(await post({ key: 'k', ...signed(anything) }, 'x', '/no-such-bucket')).toMatchObject({ code: 'AccessDenied' })
})

test('anybody’s form needs a bucket that lets anybody', async () => {
  expect(await post({ key: 'free' })).toMatchObject({ status: 403, code: 'AccessDenied' })
  await s3.send(new DeletePublicAccessBlockCommand({ Bucket }))
  const Policy = {
    Version: '2012-10-17',
    Statement: [{ Effect: 'Allow', Principal: '*', Action: 's3:PutObject', Resource: `arn:aws:s3:::${Bucket}/free` }],
  }
  await s3.send(new PutBucketPolicyCommand({ Bucket, Policy: JSON.stringify(Policy) }))
  expect((await post({ key: 'free' })).status).toBe(204)
  expect((await post({ key: 'other' })).status).toBe(403)
})
