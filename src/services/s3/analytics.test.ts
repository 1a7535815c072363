import {
  type AnalyticsConfiguration,
  CreateBucketCommand,
  DeleteBucketAnalyticsConfigurationCommand,
  GetBucketAnalyticsConfigurationCommand,
  GetObjectCommand,
  ListBucketAnalyticsConfigurationsCommand,
  PutBucketAnalyticsConfigurationCommand,
  PutBucketPolicyCommand,
  PutObjectCommand,
  S3Client,
} from '@aws-sdk/client-s3'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Story, story } from '../../../test/story.ts'
import { ageGroupOf, analysisCsv } from './analysis.ts'

let drydock: Story
let s3: S3Client
const Bucket = 'analysed'
beforeAll(async () => {
  drydock = await story()
  s3 = drydock.client(S3Client)
  for (const name of [Bucket, 'findings']) await s3.send(new CreateBucketCommand({ Bucket: name }))
  const Policy = JSON.stringify({
    Version: '2012-10-17',
    Statement: [
      {
        Effect: 'Allow',
        Principal: { Service: 's3.amazonaws.com' },
        Action: 's3:PutObject',
        Resource: 'arn:aws:s3:::findings/*',
        Condition: {
          ArnLike: { 'aws:SourceArn': `arn:aws:s3:::${Bucket}` },
          StringEquals: { 'aws:SourceAccount': drydock.account, 's3:x-amz-acl': 'bucket-owner-full-control' },
        },
      },
    ],
  })
  await s3.send(new PutBucketPolicyCommand({ Bucket: 'findings', Policy }))
})
afterAll(() => drydock.close())

const configuration = (Id: string, more: Partial<AnalyticsConfiguration> = {}): AnalyticsConfiguration => ({
  Id,
  StorageClassAnalysis: {
    DataExport: {
      OutputSchemaVersion: 'V_1',
      Destination: {
        S3BucketDestination: { Format: 'CSV', Bucket: 'arn:aws:s3:::findings', Prefix: 'analytics' },
      },
    },
  },
  ...more,
})
const put = (Id: string, more?: Partial<AnalyticsConfiguration>) =>
  s3.send(new PutBucketAnalyticsConfigurationCommand({ Bucket, Id, AnalyticsConfiguration: configuration(Id, more) }))
const report = async (id: string) => {
  const { Body } = await s3.send(new GetObjectCommand({ Bucket: 'findings', Key: `analytics/${id}.csv` }))
  const [header = '', ...lines] = ((await Body?.transformToString()) ?? '').trimEnd().split('\n')
  const names = JSON.parse(`[${header}]`) as string[]
  return lines.map((line) => {
    const values = JSON.parse(`[${line}]`) as string[]
    return Object.fromEntries(names.map((name, at) => [name, values[at]]))
  })
}

test('what is stored, put and asked for is exported daily, by class and age', async () => {
  await put('docs', { Filter: { Prefix: 'docs/' } })
  const large = Buffer.alloc(1024 * 1024)
  await s3.send(new PutObjectCommand({ Bucket, Key: 'docs/one', Body: large }))
  await s3.send(new PutObjectCommand({ Bucket, Key: 'docs/two', Body: large, StorageClass: 'STANDARD_IA' }))
  await s3.send(new PutObjectCommand({ Bucket, Key: 'docs/small', Body: Buffer.alloc(1024) }))
  await s3.send(new PutObjectCommand({ Bucket, Key: 'elsewhere', Body: large }))
  for (let count = 0; count < 3; count += 1)
    await (await s3.send(new GetObjectCommand({ Bucket, Key: 'docs/one' }))).Body?.transformToByteArray()
  await expect(s3.send(new GetObjectCommand({ Bucket, Key: 'docs/none' }))).rejects.toThrow()
  await drydock.advance({ days: 1 })
  const first = await report('docs')
  const row = (rows: typeof first, storageClass: string, age: string) =>
    rows.findLast((each) => each.StorageClass === storageClass && each.ObjectAge === age)
  expect(row(first, 'STANDARD', '000-014')).toMatchObject({
    ConfigId: 'docs',
    Filter: 'prefix=docs/',
    ObjectCount: '',
    Storage_MB: '1',
    DataRetrieved_MB: '3',
    GetRequestCount: '3',
    CumulativeAccessRatio: '3',
  })
  expect(row(first, 'STANDARD', 'ALL')).toMatchObject({
    ObjectCount: '2',
    DataUploaded_MB: '1.000977',
    Storage_MB: '1.000977',
    GetRequestCount: '3',
  })
  expect(row(first, 'STANDARD_IA', 'ALL')).toMatchObject({ ObjectCount: '1', GetRequestCount: '0' })
  await drydock.advance({ days: 15 })
  const later = await report('docs')
  expect(row(later, 'STANDARD', '015-029')).toMatchObject({ Storage_MB: '1', DataRetrieved_MB: '0' })
  expect(later.filter(({ ObjectAge, StorageClass }) => ObjectAge === 'ALL' && StorageClass === 'STANDARD').length).toBe(
    16,
  )
  expect(later.at(-1)?.ObjectAge).toBe('ALL')
})

test('configurations are checked, come back and go', async () => {
  const filter = { Filter: { And: { Prefix: 'a/', Tags: [{ Key: 'team', Value: 'blue' }] } } }
  await put('kept', filter)
  const get = () => s3.send(new GetBucketAnalyticsConfigurationCommand({ Bucket, Id: 'kept' }))
  expect((await get()).AnalyticsConfiguration).toEqual(configuration('kept', filter))
  const list = await s3.send(new ListBucketAnalyticsConfigurationsCommand({ Bucket }))
  expect(list.AnalyticsConfigurationList?.map(({ Id }) => Id)).toContain('kept')
  await s3.send(new DeleteBucketAnalyticsConfigurationCommand({ Bucket, Id: 'kept' }))
  await expect(get()).rejects.toMatchObject({ name: 'NoSuchConfiguration' })
  const to = (name: string) => ({
    StorageClassAnalysis: {
      DataExport: {
        OutputSchemaVersion: 'V_1' as const,
        Destination: { S3BucketDestination: { Format: 'CSV' as const, Bucket: `arn:aws:s3:::${name}` } },
      },
    },
  })
  await expect(put('no', to('nothing'))).rejects.toMatchObject({ name: 'InvalidS3DestinationBucket' })
  await expect(put('no/', {})).rejects.toMatchObject({ name: 'InvalidConfigurationId' })
  await expect(put('no', { Filter: { Tag: { Key: 'aws:x', Value: '' } } })).rejects.toMatchObject({
    name: 'InvalidTag',
  })
  await put('quiet', { StorageClassAnalysis: {} })
})

test('age groups', () => {
  const at = (days: number, size = 1_000_000) => ageGroupOf({ modified: 0, size }, days * 86_400_000)
  expect([0, 14, 15, 89, 90, 364, 365, 730, 9000].map((days) => at(days))).toEqual([
    '000-014',
    '000-014',
    '015-029',
    '075-089',
    '090-119',
    '180-364',
    '365-729',
    '730+',
    '730+',
  ])
  expect(at(5, 1000)).toBeUndefined()
})

test('a filter cannot break out of its column', () => {
  const counts = { objects: 1, stored: 0, uploaded: 0, retrieved: 0, requests: 0 }
  const csv = analysisCsv('id', { prefix: 'a","b', tags: [] }, [
    { date: '2026-01-02', counts: { 'STANDARD ALL': counts } },
  ])
  expect(csv.split('\n')[1]).toBe('"01-02-2026","id","prefix=a"",""b","STANDARD","ALL","1","0","0","0","0","0","",""')
})
