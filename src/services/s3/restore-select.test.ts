import { CreateKeyCommand, KMSClient } from '@aws-sdk/client-kms'
import {
  CreateBucketCommand,
  DeleteObjectCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  type PutObjectCommandInput,
  RestoreObjectCommand,
  type RestoreRequest,
  S3Client,
  type SelectParameters,
} from '@aws-sdk/client-s3'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { allow, type Story, story } from '../../../test/story.ts'

let drydock: Story
let s3: S3Client
const Bucket = 'records'
const Output = 'found'
beforeAll(async () => {
  drydock = await story()
  s3 = drydock.client(S3Client)
  for (const name of [Bucket, Output]) await s3.send(new CreateBucketCommand({ Bucket: name }))
})
afterAll(() => drydock.close())

const people = 'id,name\n1,Ann\n2,Bob\n3,Cy\n'
const put = (Key: string, Body = people, more: Partial<PutObjectCommandInput> = {}) =>
  s3.send(new PutObjectCommand({ Bucket, Key, Body, StorageClass: 'GLACIER', ...more }))
const parameters = (Expression: string, more: Partial<SelectParameters> = {}): SelectParameters => ({
  Expression,
  ExpressionType: 'SQL',
  InputSerialization: { CSV: { FileHeaderInfo: 'USE' } },
  OutputSerialization: { CSV: {} },
  ...more,
})
const request = (Expression: string, Prefix: string, more: Partial<RestoreRequest> = {}): RestoreRequest => ({
  Type: 'SELECT',
  SelectParameters: parameters(Expression),
  OutputLocation: { S3: { BucketName: Output, Prefix } },
  ...more,
})
const ask = (Key: string, RestoreRequest: RestoreRequest, by = s3) =>
  by.send(new RestoreObjectCommand({ Bucket, Key, RestoreRequest }))
const filesIn = async (path = '') => {
  const { Contents = [] } = await s3.send(new ListObjectsV2Command({ Bucket: Output, Prefix: path }))
  return Contents.map(({ Key = '' }) => Key.slice(path.length + 1))
}
const textOf = async (Key: string) =>
  (await s3.send(new GetObjectCommand({ Bucket: Output, Key }))).Body?.transformToString()

test('an archived object is queried when its tier’s time is over; the results stay, the object is not restored', async () => {
  await put('people.csv')
  const location = {
    BucketName: Output,
    Prefix: 'jobs/',
    StorageClass: 'STANDARD_IA' as const,
    UserMetadata: [{ Name: 'team', Value: 'blue' }],
    Tagging: { TagSet: [{ Key: 'kind', Value: 'a b' }] },
    Encryption: { EncryptionType: 'AES256' as const },
  }
  const asked = request("SELECT s.name FROM Object s WHERE s.id <> '2'", '', { OutputLocation: { S3: location } })
  const { RestoreOutputPath: path, $metadata } = await ask('people.csv', { ...asked, Tier: 'Expedited' })
  expect($metadata.httpStatusCode).toBe(202)
  expect(path).toMatch(/^jobs\/[\w-]{92}$/)
  expect(await filesIn(path)).toEqual(['job.txt'])
  expect(JSON.parse((await textOf(`${path}/job.txt`)) ?? '')).toMatchObject({ Bucket, Key: 'people.csv' })
  await drydock.advance({ minutes: 6 })
  expect(await filesIn(path)).toEqual(['job.txt', 'result_manifest.txt', 'results/000000'])
  expect(await textOf(`${path}/results/000000`)).toBe('Ann\nCy\n')
  expect(await textOf(`${path}/result_manifest.txt`)).toBe(`s3://${Output}/${path}/results/000000\n`)
  expect(await s3.send(new HeadObjectCommand({ Bucket: Output, Key: `${path}/results/000000` }))).toMatchObject({
    StorageClass: 'STANDARD_IA',
    Metadata: { team: 'blue' },
    TagCount: 1,
  })
  expect((await s3.send(new HeadObjectCommand({ Bucket, Key: 'people.csv' }))).Restore).toBeUndefined()
  const nothing = await ask('people.csv', {
    ...request("SELECT * FROM Object WHERE id = '9'", 'none'),
    Tier: 'Expedited',
  })
  await drydock.advance({ minutes: 6 })
  expect(await textOf(`${nothing.RestoreOutputPath}/results/000000`)).toBe('')
  // Another request of the same is another job.
  expect((await ask('people.csv', asked)).RestoreOutputPath).not.toBe(path)
})

test('what goes wrong later is told beside the results', async () => {
  await put('late.csv', 'id\n1\nx\n')
  const { RestoreOutputPath: path } = await ask('late.csv', request('SELECT CAST(id AS INT) FROM S3Object', 'late'))
  await put('gone.csv')
  const { RestoreOutputPath: gone } = await ask('gone.csv', request('SELECT * FROM Object', 'late'))
  await s3.send(new DeleteObjectCommand({ Bucket, Key: 'gone.csv' }))
  await put('gone.csv', 'another')
  await drydock.advance({ hours: 4 })
  expect(await filesIn(path)).toEqual(['job.txt'])
  await drydock.advance({ hours: 2 })
  expect(await filesIn(path)).toEqual(['error_manifest.txt', 'errors/000000', 'job.txt'])
  expect(await textOf(`${path}/errors/000000`)).toMatch(/^CastFailed: /)
  expect(await textOf(`${gone}/errors/000000`)).toMatch(/^NoSuchKey: /)
})

test('it takes the rights to restore, to read and to write, and those of the keys', async () => {
  const { KeyMetadata } = await drydock.client(KMSClient).send(new CreateKeyCommand({}))
  await put('kms.csv', people, { ServerSideEncryption: 'aws:kms', SSEKMSKeyId: KeyMetadata?.Arn })
  const asked = request('SELECT id FROM Object', 'rights', { Tier: 'Expedited' })
  const client = async (name: string, actions: string[]) =>
    drydock.client(S3Client, await drydock.user(name, [allow(actions)]))
  const denied = { name: 'AccessDenied' }
  for (const [name, actions] of [
    ['no-reader', ['s3:RestoreObject', 's3:PutObject']],
    ['no-writer', ['s3:RestoreObject', 's3:GetObject']],
  ] as const)
    await expect(ask('kms.csv', asked, await client(name, [...actions]))).rejects.toMatchObject(denied)
  expect(await filesIn('rights')).toEqual([])
  const all = ['s3:RestoreObject', 's3:GetObject', 's3:PutObject']
  const { RestoreOutputPath: closed } = await ask('kms.csv', asked, await client('no-key', all))
  const { RestoreOutputPath: path } = await ask('kms.csv', asked, await client('with-key', [...all, 'kms:Decrypt']))
  await drydock.advance({ minutes: 6 })
  expect(await textOf(`${closed}/errors/000000`)).toMatch(/^AccessDenied: /)
  expect(await textOf(`${path}/results/000000`)).toBe('1\n2\n3\n')
})

test('what cannot be asked is refused', async () => {
  await put('refused.csv')
  await put('near.csv', people, { StorageClass: 'STANDARD' })
  await put('deep.csv', people, { StorageClass: 'DEEP_ARCHIVE' })
  const query = 'SELECT * FROM Object'
  const with_ = (more: Partial<SelectParameters>) => request('', 'p', { SelectParameters: parameters(query, more) })
  const refusals: [string, RestoreRequest, string][] = [
    ['near.csv', request(query, 'p'), 'InvalidObjectState'],
    ['deep.csv', request(query, 'p', { Tier: 'Expedited' }), 'InvalidArgument'],
    ['none.csv', request(query, 'p'), 'NoSuchKey'],
    ['refused.csv', request(query, 'p', { Days: 1 }), 'MalformedXML'],
    ['refused.csv', request(query, 'p', { GlacierJobParameters: { Tier: 'Bulk' } }), 'MalformedXML'],
    ['refused.csv', { Type: 'SELECT', SelectParameters: parameters(query) }, 'MalformedXML'],
    [
      'refused.csv',
      request(query, 'p', { OutputLocation: { S3: { BucketName: 'nowhere', Prefix: 'p' } } }),
      'NoSuchBucket',
    ],
    ['refused.csv', request(query, 'p'.repeat(512)), 'InvalidArgument'],
    ['refused.csv', request('SELECT', 'p'), 'ParseEmptySelect'],
    ['refused.csv', request('SELECT * FROM elsewhere', 'p'), 'EvaluatorBindingDoesNotExist'],
    ['refused.csv', request('SELECT COUNT(*) FROM Object', 'p'), 'UnsupportedSqlStructure'],
    ['refused.csv', request(`${query} LIMIT 1`, 'p'), 'UnsupportedSqlStructure'],
    ['refused.csv', request(`SELECT '${'x'.repeat(131_072)}' FROM Object`, 'p'), 'ExpressionTooLong'],
    ['refused.csv', with_({ InputSerialization: { JSON: { Type: 'LINES' } } }), 'InvalidRequestParameter'],
    ['refused.csv', with_({ InputSerialization: { CSV: {}, CompressionType: 'GZIP' } }), 'InvalidRequestParameter'],
    ['refused.csv', with_({ OutputSerialization: { JSON: {} } }), 'InvalidRequestParameter'],
  ]
  for (const [key, asked, name] of refusals) await expect(ask(key, asked)).rejects.toMatchObject({ name })
  expect(await filesIn('p')).toEqual([])
})
