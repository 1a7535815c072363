import type { Readable } from 'node:stream'
import { CloudWatchClient, GetMetricStatisticsCommand } from '@aws-sdk/client-cloudwatch'
import {
  CreateBucketCommand,
  DeleteBucketMetricsConfigurationCommand,
  DeleteObjectsCommand,
  DeletePublicAccessBlockCommand,
  GetBucketLoggingCommand,
  GetBucketMetricsConfigurationCommand,
  GetBucketRequestPaymentCommand,
  GetObjectAclCommand,
  GetObjectCommand,
  ListBucketMetricsConfigurationsCommand,
  ListObjectsV2Command,
  PutBucketAclCommand,
  PutBucketLoggingCommand,
  PutBucketMetricsConfigurationCommand,
  PutBucketOwnershipControlsCommand,
  PutBucketPolicyCommand,
  PutBucketRequestPaymentCommand,
  PutObjectCommand,
  S3Client,
  SelectObjectContentCommand,
  type TargetGrant,
} from '@aws-sdk/client-s3'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Story, story } from '../../../test/story.ts'

let drydock: Story
let s3: S3Client
let other: S3Client
beforeAll(async () => {
  drydock = await story({ config: { auth: 'trust' } })
  s3 = drydock.client(S3Client)
  other = drydock.client(S3Client, { accessKeyId: '111111111111', secretAccessKey: 'any' })
})
afterAll(() => drydock.close())

const make = (Bucket: string) => s3.send(new CreateBucketCommand({ Bucket }))
const put = (Bucket: string, Key: string, Body = Key) => s3.send(new PutObjectCommand({ Bucket, Key, Body }))
const keys = async (Bucket: string) =>
  ((await s3.send(new ListObjectsV2Command({ Bucket }))).Contents ?? []).map(({ Key = '' }) => Key)
const policy = (Bucket: string, ...Statement: object[]) =>
  s3.send(new PutBucketPolicyCommand({ Bucket, Policy: JSON.stringify({ Version: '2012-10-17', Statement }) }))
const sum = async (MetricName: string, dimensions: Record<string, string>) =>
  (await points(MetricName, dimensions)).reduce((total, { Sum = 0 }) => total + Sum, 0)
const count = async (MetricName: string, dimensions: Record<string, string>) =>
  (await points(MetricName, dimensions)).reduce((total, { SampleCount = 0 }) => total + SampleCount, 0)
const points = async (MetricName: string, dimensions: Record<string, string>) => {
  const now = drydock.clock.now().getTime()
  const { Datapoints = [] } = await drydock.client(CloudWatchClient).send(
    new GetMetricStatisticsCommand({
      Namespace: 'AWS/S3',
      MetricName,
      Dimensions: Object.entries(dimensions).map(([Name, Value]) => ({ Name, Value })),
      StartTime: new Date(now - 2 * 86_400_000),
      EndTime: new Date(now + 60_000),
      Period: 86_400,
      Statistics: ['Sum', 'SampleCount'],
    }),
  )
  return Datapoints
}

test('requests are logged in objects of the target bucket, where its policy lets the log service write', async () => {
  await make('watched')
  await make('logs')
  await policy('logs', {
    Effect: 'Allow',
    Principal: { Service: 'logging.s3.amazonaws.com' },
    Action: 's3:PutObject',
    Resource: 'arn:aws:s3:::logs/*',
    Condition: {
      ArnLike: { 'aws:SourceArn': 'arn:aws:s3:::watched' },
      StringEquals: { 'aws:SourceAccount': drydock.account },
    },
  })
  const LoggingEnabled = { TargetBucket: 'logs', TargetPrefix: 'w/' }
  await s3.send(new PutBucketLoggingCommand({ Bucket: 'watched', BucketLoggingStatus: { LoggingEnabled } }))
  expect(await s3.send(new GetBucketLoggingCommand({ Bucket: 'watched' }))).toMatchObject({ LoggingEnabled })
  await put('watched', 'a b', 'hello')
  await s3.send(new GetObjectCommand({ Bucket: 'watched', Key: 'a b' })).then(({ Body }) => Body?.transformToString())
  await fetch(`${drydock.endpoint}/watched/x?X-Test=%22%0a`, { headers: { 'user-agent': 'me "x"' } })
  await drydock.advance({ minutes: 6 })
  const [key = ''] = await keys('logs')
  expect(key).toMatch(/^w\/\d{4}-\d\d-\d\d-\d\d-\d\d-\d\d-[0-9A-F]{16}$/)
  const { Body } = await s3.send(new GetObjectCommand({ Bucket: 'logs', Key: key }))
  const lines = ((await Body?.transformToString()) ?? '').trimEnd().split('\n')
  expect(lines).toHaveLength(5)
  const find = (operation: string) => lines.find((line) => line.includes(` ${operation} `)) ?? ''
  expect(find('REST.GET.LOGGING')).toContain('"GET /watched/?logging= HTTP/1.1" 200 -')
  expect(find('REST.PUT.OBJECT')).toMatch(
    /^[0-9a-f]{64} watched \[\d\d\/Nov\/2026:\d\d:\d\d:\d\d \+0000\] 127\.0\.0\.1 [0-9a-f]{64} /,
  )
  expect(find('REST.PUT.OBJECT')).toContain(' a%2520b "PUT /watched/a%20b?x-id=PutObject HTTP/1.1" 200 -')
  const denied = lines.find((line) => line.includes(' 403 AccessDenied ')) ?? ''
  expect(denied).toContain('REST.GET.OBJECT x "GET /watched/x?X-Test=%22%0a HTTP/1.1"')
  expect(denied).toContain('"me %22x%22"')
})

test('partitioned keys; targets that cannot be', async () => {
  await make('parted')
  await make('parted-logs')
  await policy('parted-logs', {
    Effect: 'Allow',
    Principal: { Service: 'logging.s3.amazonaws.com' },
    Action: 's3:PutObject',
    Resource: 'arn:aws:s3:::parted-logs/*',
  })
  const log = (TargetBucket: string, more: object = {}) =>
    s3.send(
      new PutBucketLoggingCommand({
        Bucket: 'parted',
        BucketLoggingStatus: {
          LoggingEnabled: {
            TargetBucket,
            TargetPrefix: '',
            TargetObjectKeyFormat: { PartitionedPrefix: { PartitionDateSource: 'EventTime' }, ...more },
          },
        },
      }),
    )
  await expect(log('nothing')).rejects.toMatchObject({ name: 'InvalidTargetBucketForLogging' })
  await expect(log('parted-logs', { SimplePrefix: {} })).rejects.toMatchObject({ name: 'MalformedXML' })
  await log('parted-logs')
  await put('parted', 'k')
  await drydock.advance({ minutes: 6 })
  expect((await keys('parted-logs'))[0]).toMatch(
    new RegExp(`^${drydock.account}/us-east-1/parted/2026/11/\\d\\d/2026-11-\\d\\d-00-00-00-[0-9A-F]{16}$`),
  )
})

test('times, a line for each object that DeleteObjects deletes, and grants on the objects of the log', async () => {
  await make('granted')
  await make('granted-logs')
  const TargetGrants: TargetGrant[] = [
    {
      Grantee: { Type: 'Group', URI: 'http://acs.amazonaws.com/groups/global/AuthenticatedUsers' },
      Permission: 'READ',
    },
  ]
  const log = (grants = TargetGrants) =>
    s3.send(
      new PutBucketLoggingCommand({
        Bucket: 'granted',
        BucketLoggingStatus: {
          LoggingEnabled: { TargetBucket: 'granted-logs', TargetPrefix: '', TargetGrants: grants },
        },
      }),
    )
  await expect(log()).rejects.toMatchObject({ name: 'AccessControlListNotSupported' })
  await s3.send(new DeletePublicAccessBlockCommand({ Bucket: 'granted-logs' }))
  await s3.send(
    new PutBucketOwnershipControlsCommand({
      Bucket: 'granted-logs',
      OwnershipControls: { Rules: [{ ObjectOwnership: 'ObjectWriter' }] },
    }),
  )
  await s3.send(new PutBucketAclCommand({ Bucket: 'granted-logs', ACL: 'log-delivery-write' as 'private' }))
  await expect(log([{ Grantee: { Type: 'CanonicalUser', ID: 'x' }, Permission: 'READ' }])).rejects.toMatchObject({
    name: 'InvalidArgument',
  })
  await log()
  const got = await s3.send(new GetBucketLoggingCommand({ Bucket: 'granted' }))
  expect(got.LoggingEnabled?.TargetGrants).toEqual(TargetGrants)
  for (const key of ['a', 'b']) await put('granted', key)
  await s3.send(new DeleteObjectsCommand({ Bucket: 'granted', Delete: { Objects: [{ Key: 'a' }, { Key: 'b' }] } }))
  await drydock.advance({ minutes: 6 })
  const [Key = ''] = await keys('granted-logs')
  const { Body } = await s3.send(new GetObjectCommand({ Bucket: 'granted-logs', Key }))
  const lines = ((await Body?.transformToString()) ?? '').trimEnd().split('\n')
  expect(lines.find((line) => line.includes('REST.PUT.OBJECT a '))).toMatch(/ 200 - - 1 \d+ \d+ "-" /)
  expect(lines.filter((line) => line.includes(' REST.POST.MULTI_OBJECT_DELETE '))).toHaveLength(1)
  expect(lines.filter((line) => / BATCH\.DELETE\.OBJECT [ab] "-" 204 /.test(line))).toHaveLength(2)
  const { Grants = [] } = await s3.send(new GetObjectAclCommand({ Bucket: 'granted-logs', Key }))
  expect(Grants.map(({ Permission }) => Permission).sort()).toEqual(['FULL_CONTROL', 'READ'])
})

test('the requester pays, and says so', async () => {
  const Bucket = 'paid'
  await make(Bucket)
  await put(Bucket, 'k')
  await policy(Bucket, {
    Effect: 'Allow',
    Principal: { AWS: '111111111111' },
    Action: 's3:GetObject',
    Resource: `arn:aws:s3:::${Bucket}/*`,
  })
  await s3.send(new PutBucketRequestPaymentCommand({ Bucket, RequestPaymentConfiguration: { Payer: 'Requester' } }))
  expect((await s3.send(new GetBucketRequestPaymentCommand({ Bucket }))).Payer).toBe('Requester')
  const get = (client: S3Client, RequestPayer?: 'requester') =>
    client.send(new GetObjectCommand({ Bucket, Key: 'k', RequestPayer }))
  await expect(get(other)).rejects.toMatchObject({ name: 'AccessDenied', $metadata: { httpStatusCode: 403 } })
  expect((await get(other, 'requester')).RequestCharged).toBe('requester')
  expect((await get(s3)).RequestCharged).toBeUndefined()
})

test('request metrics by filter', async () => {
  const Bucket = 'measured'
  await make(Bucket)
  const configure = (Id: string, Prefix?: string) =>
    s3.send(
      new PutBucketMetricsConfigurationCommand({
        Bucket,
        Id,
        MetricsConfiguration: { Id, ...(Prefix ? { Filter: { Prefix } } : {}) },
      }),
    )
  await configure('all')
  await configure('docs', 'docs/')
  await put(Bucket, 'docs/a', '12345')
  await put(Bucket, 'b')
  await expect(s3.send(new GetObjectCommand({ Bucket, Key: 'docs/none' }))).rejects.toThrow()
  expect(await sum('PutRequests', { BucketName: Bucket, FilterId: 'docs' })).toBe(1)
  expect(await sum('4xxErrors', { BucketName: Bucket, FilterId: 'docs' })).toBe(1)
  expect(await sum('AllRequests', { BucketName: Bucket, FilterId: 'docs' })).toBe(2)
  const samples = (name: string) => count(name, { BucketName: Bucket, FilterId: 'docs' })
  expect([await samples('FirstByteLatency'), await samples('TotalRequestLatency')]).toEqual([2, 2])
  expect(await sum('PutRequests', { BucketName: Bucket, FilterId: 'all' })).toBeGreaterThanOrEqual(2)
  const listed = await s3.send(new ListBucketMetricsConfigurationsCommand({ Bucket }))
  expect(listed.MetricsConfigurationList?.map(({ Id }) => Id)).toEqual(['all', 'docs'])
  await s3.send(new DeleteBucketMetricsConfigurationCommand({ Bucket, Id: 'all' }))
  await expect(s3.send(new GetBucketMetricsConfigurationCommand({ Bucket, Id: 'all' }))).rejects.toMatchObject({
    name: 'NoSuchConfiguration',
  })
  expect(
    (await s3.send(new GetBucketMetricsConfigurationCommand({ Bucket, Id: 'docs' }))).MetricsConfiguration?.Id,
  ).toBe('docs')
})

test('downloads and queries are told once they are through, with all their time and bytes', async () => {
  const Bucket = 'told'
  await make(Bucket)
  await make('told-logs')
  await policy('told-logs', {
    Effect: 'Allow',
    Principal: { Service: 'logging.s3.amazonaws.com' },
    Action: 's3:PutObject',
    Resource: 'arn:aws:s3:::told-logs/*',
  })
  const LoggingEnabled = { TargetBucket: 'told-logs', TargetPrefix: '' }
  await s3.send(new PutBucketLoggingCommand({ Bucket, BucketLoggingStatus: { LoggingEnabled } }))
  const MetricsConfiguration = { Id: 'all' }
  await s3.send(new PutBucketMetricsConfigurationCommand({ Bucket, Id: 'all', MetricsConfiguration }))
  const size = 400_000
  await put(Bucket, 'large.csv', 'a,b\n'.repeat(size / 4))
  // More than sockets hold of what nobody reads.
  const huge = 24_000_000
  await s3.send(new PutObjectCommand({ Bucket, Key: 'huge', Body: Buffer.alloc(huge) }))
  const told = (name: string) => sum(name, { BucketName: Bucket, FilterId: 'all' })
  const get = (Key: string) => s3.send(new GetObjectCommand({ Bucket, Key }))
  await (await get('large.csv')).Body?.transformToByteArray()
  await expect.poll(() => told('BytesDownloaded'), { timeout: 20_000 }).toBe(size)
  const requests = await count('TotalRequestLatency', { BucketName: Bucket, FilterId: 'all' })
  expect(requests).toBe(await told('AllRequests'))

  // Who goes away has had less.
  const { Body } = await get('huge')
  ;(Body as Readable).destroy()
  await expect.poll(() => told('GetRequests'), { timeout: 20_000 }).toBe(2)
  expect(await told('BytesDownloaded')).toBeLessThan(huge)

  const { Payload } = await s3.send(
    new SelectObjectContentCommand({
      ...{ Bucket, Key: 'large.csv', ExpressionType: 'SQL', Expression: 'SELECT s._1 FROM S3Object s LIMIT 3' },
      ...{ InputSerialization: { CSV: {} }, OutputSerialization: { CSV: {} } },
    }),
  )
  const events = await Array.fromAsync(Payload ?? [])
  const stats = events.find(({ Stats }) => Stats)?.Stats?.Details
  await expect.poll(() => told('SelectBytesReturned'), { timeout: 20_000 }).toBe(6)
  expect(await told('SelectBytesScanned')).toBe(stats?.BytesScanned)
  expect(await told('SelectRequests')).toBe(1)

  await drydock.advance({ minutes: 6 })
  const [Key = ''] = await keys('told-logs')
  const log = await s3.send(new GetObjectCommand({ Bucket: 'told-logs', Key }))
  const lines = ((await log.Body?.transformToString()) ?? '').split('\n')
  /** Bytes sent, size of the object, total time, turn-around time. */
  const figuresOf = (key: string, of: number) => {
    const line = lines.find((each) => each.includes(` REST.GET.OBJECT ${key} `)) ?? ''
    const [sent, total, turn] =
      new RegExp(` 200 - (\\d+|-) ${of} (\\d+) (\\d+) "`)
        .exec(line)
        ?.slice(1)
        .map((figure) => (figure === '-' ? 0 : Number(figure))) ?? []
    return { sent: sent ?? Number.NaN, total: total ?? Number.NaN, turn: turn ?? Number.NaN }
  }
  const whole = figuresOf('large.csv', size)
  expect(whole.sent).toBe(size)
  expect(whole.total).toBeGreaterThanOrEqual(whole.turn)
  expect(figuresOf('huge', huge).sent).toBeLessThan(huge)
})

test('objects and bytes are counted daily', async () => {
  const Bucket = 'counted'
  await make(Bucket)
  await put(Bucket, 'a', '12345')
  await put(Bucket, 'b', '123')
  await drydock.advance({ days: 1 })
  expect(await sum('NumberOfObjects', { BucketName: Bucket, StorageType: 'AllStorageTypes' })).toBe(2)
  expect(await sum('BucketSizeBytes', { BucketName: Bucket, StorageType: 'StandardStorage' })).toBe(8)
})
