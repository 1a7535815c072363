import { CloudTrailClient, CreateEventDataStoreCommand, LookupEventsCommand } from '@aws-sdk/client-cloudtrail'
import { CloudWatchClient, GetMetricStatisticsCommand } from '@aws-sdk/client-cloudwatch'
import {
  CopyObjectCommand,
  CreateBucketCommand,
  DeleteBucketCommand,
  DeleteObjectCommand,
  DeleteObjectsCommand,
  GetBucketVersioningCommand,
  GetObjectCommand,
  HeadBucketCommand,
  ListObjectsV2Command,
  PutBucketLoggingCommand,
  PutBucketMetricsConfigurationCommand,
  PutBucketPolicyCommand,
  PutObjectCommand,
  S3Client,
} from '@aws-sdk/client-s3'
import {
  CreateAccessPointCommand,
  DeleteAccessPointCommand,
  DeleteAccessPointPolicyCommand,
  GetAccessPointCommand,
  GetAccessPointPolicyCommand,
  GetAccessPointPolicyStatusCommand,
  ListAccessPointsCommand,
  ListTagsForResourceCommand,
  PutAccessPointPolicyCommand,
  TagResourceCommand,
  UntagResourceCommand,
} from '@aws-sdk/client-s3-control'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { s3ByHost, s3Control } from '../../../test/s3-hosts.ts'
import { allow, type Keys, type Story, story } from '../../../test/story.ts'
import { auditStream } from '../../kernel/audit.ts'

let drydock: Story
let s3: S3Client
let AccountId: string
const other = { accessKeyId: '111111111111', secretAccessKey: 'test' }
beforeAll(async () => {
  drydock = await story({ config: { auth: 'trust' } })
  s3 = drydock.client(S3Client)
  AccountId = drydock.account
})
afterAll(() => drydock.close())

const control = (keys?: Keys) => s3Control(drydock, keys)
let count = 0
/** A bucket with an object and an access point. */
const made = async (options: object = {}, keys?: Keys) => {
  const Bucket = `data-${++count}`
  const Name = `door-${count}`
  await s3.send(new CreateBucketCommand({ Bucket }))
  await s3.send(new PutObjectCommand({ Bucket, Key: 'in/one', Body: 'one' }))
  const owner = keys ? keys.accessKeyId : AccountId
  const { Alias = '', AccessPointArn: arn = '' } = await control(keys).send(
    new CreateAccessPointCommand({ AccountId: owner, Name, Bucket, BucketAccountId: AccountId, ...options }),
  )
  return { Bucket, Name, Alias, arn }
}
const document = (Principal: unknown, Action: unknown, Resource: unknown, Condition?: object) =>
  JSON.stringify({
    Version: '2012-10-17',
    Statement: [{ Effect: 'Allow', Principal, Action, Resource, ...(Condition ? { Condition } : {}) }],
  })
/** The bucket leaves all to the access points of an account. */
const delegate = (Bucket: string, account = AccountId) =>
  s3.send(
    new PutBucketPolicyCommand({
      Bucket,
      Policy: document('*', '*', [`arn:aws:s3:::${Bucket}`, `arn:aws:s3:::${Bucket}/*`], {
        StringEquals: { 's3:DataAccessPointAccount': account },
      }),
    }),
  )
const text = async (client: S3Client, Bucket: string, Key = 'in/one') =>
  (await client.send(new GetObjectCommand({ Bucket, Key }))).Body?.transformToString()
const denied = { name: 'AccessDenied', $metadata: { httpStatusCode: 403 } }

test('an access point is made, described, listed and deleted; its bucket stays as long as it does', async () => {
  const { Bucket, Name, Alias, arn } = await made({ Tags: [{ Key: 'team', Value: 'blue' }] })
  expect(Alias).toMatch(new RegExp(`^${Name}-[a-z0-9]{34}-s3alias$`))
  expect(arn).toBe(`arn:aws:s3:us-east-1:${AccountId}:accesspoint/${Name}`)
  expect(await control().send(new GetAccessPointCommand({ AccountId, Name }))).toMatchObject({
    Name,
    Bucket,
    NetworkOrigin: 'Internet',
    Alias,
    AccessPointArn: arn,
    BucketAccountId: AccountId,
    CreationDate: drydock.clock.now(),
    PublicAccessBlockConfiguration: { BlockPublicPolicy: true, RestrictPublicBuckets: true },
    Endpoints: { ipv4: 's3-accesspoint.us-east-1.amazonaws.com' },
  })
  const again = control().send(new CreateAccessPointCommand({ AccountId, Name, Bucket }))
  await expect(again).rejects.toMatchObject({
    name: 'AccessPointAlreadyOwnedByYou',
    $metadata: { httpStatusCode: 409 },
  })
  const { AccessPointList } = await control().send(new ListAccessPointsCommand({ AccountId, Bucket }))
  expect(AccessPointList).toMatchObject([{ Name, Bucket, Alias }])
  await s3.send(new DeleteObjectCommand({ Bucket, Key: 'in/one' }))
  await expect(s3.send(new DeleteBucketCommand({ Bucket }))).rejects.toMatchObject({
    name: 'BucketHasAccessPointsAttached',
  })
  await control().send(new DeleteAccessPointCommand({ AccountId, Name }))
  await expect(control().send(new GetAccessPointCommand({ AccountId, Name }))).rejects.toMatchObject({
    name: 'NoSuchAccessPoint',
    $metadata: { httpStatusCode: 404 },
  })
  await expect(s3.send(new GetObjectCommand({ Bucket: Alias, Key: 'x' }))).rejects.toMatchObject({
    name: 'InvalidAccessPointAliasError',
  })
  await s3.send(new DeleteBucketCommand({ Bucket }))
})

test('lists of access points come in pages', async () => {
  const { Bucket } = await made()
  for (const Name of ['page-a', 'page-b', 'page-c'])
    await control().send(new CreateAccessPointCommand({ AccountId, Name, Bucket }))
  const names: (string | undefined)[] = []
  let NextToken: string | undefined
  do {
    const page = await control().send(new ListAccessPointsCommand({ AccountId, Bucket, MaxResults: 2, NextToken }))
    expect(page.AccessPointList?.length).toBeLessThanOrEqual(2)
    names.push(...(page.AccessPointList ?? []).map(({ Name }) => Name))
    NextToken = page.NextToken
  } while (NextToken)
  expect(names.slice(-3)).toEqual(['page-a', 'page-b', 'page-c'])
  expect(names).toHaveLength(4)
})

test.each<[string, object, string]>([
  ['a name with capitals', { Name: 'Door' }, 'InvalidAccessPoint'],
  ['a name that is an alias', { Name: 'door-s3alias' }, 'InvalidAccessPoint'],
  ['a bucket that is not there', { Bucket: 'nowhere-at-all' }, 'InvalidRequest'],
  ['a scope', { Scope: { Prefixes: ['in/'] } }, 'NotImplemented'],
  ['the same tag twice', { Tags: ['a', 'b'].map((Value) => ({ Key: 'k', Value })) }, 'InvalidTag'],
])('%s is refused', async (_, members, name) => {
  const { Bucket } = await made()
  const input = { AccountId, Name: 'new-door', Bucket, ...members }
  await expect(control().send(new CreateAccessPointCommand(input))).rejects.toMatchObject({ name })
})

test('requests by alias and by ARN reach the bucket, by AWS’s host names and by ours', async () => {
  const { Bucket, Alias, arn, Name } = await made()
  await s3.send(new PutObjectCommand({ Bucket: Alias, Key: 'in/two', Body: 'two' }))
  expect(await text(s3, Bucket, 'in/two')).toBe('two')
  expect(await s3.send(new HeadBucketCommand({ Bucket: Alias }))).toMatchObject({ AccessPointAlias: true })
  for (const host of [undefined, 'localhost', 's3.localhost']) {
    const client = s3ByHost(S3Client, drydock, drydock.root, host === undefined ? {} : { host })
    expect(await text(client, arn, 'in/two')).toBe('two')
    expect(await text(client, Alias, 'in/two')).toBe('two')
    const { Contents } = await client.send(new ListObjectsV2Command({ Bucket: arn, Prefix: 'in/' }))
    expect(Contents?.map(({ Key }) => Key)).toEqual(['in/one', 'in/two'])
    const copied = { Bucket: arn, Key: 'copy', CopySource: `${arn}/object/in/two` }
    await client.send(new CopyObjectCommand(copied))
    await client.send(new CopyObjectCommand({ ...copied, Key: 'copy-2', CopySource: `${Alias}/in/two` }))
    expect(await text(s3, Bucket, 'copy-2')).toBe('two')
  }
  const dual = s3ByHost(S3Client, drydock, drydock.root, { useDualstackEndpoint: true })
  expect(await text(dual, arn, 'copy')).toBe('two')
  await expect(s3.send(new GetBucketVersioningCommand({ Bucket: Alias }))).rejects.toMatchObject({
    name: 'MethodNotAllowed',
    $metadata: { httpStatusCode: 405 },
  })
  await expect(text(s3ByHost(S3Client, drydock), arn.replace(Name, 'nothing'))).rejects.toMatchObject({
    name: 'NoSuchAccessPoint',
  })
})

test('a bucket whose name reads like an access point’s host comes first', async () => {
  const { Bucket, Name } = await made()
  const plain = `${Name}-${AccountId}`
  const client = s3ByHost(S3Client, drydock, drydock.root, { host: 'localhost' })
  expect(await text(client, plain)).toBe('one')
  await expect(text(s3, plain)).rejects.toMatchObject({ name: 'NoSuchBucket' })
  await s3.send(new CreateBucketCommand({ Bucket: plain }))
  await expect(text(client, plain)).rejects.toMatchObject({ name: 'NoSuchKey' })
  expect(await text(s3, Bucket)).toBe('one')
})

test('the access point must allow a request, and the bucket', async () => {
  const { Bucket, Name, Alias, arn } = await made()
  const keys = await drydock.user(`jane-${count}`)
  const jane = drydock.client(S3Client, keys)
  const Policy = document({ AWS: `arn:aws:iam::${AccountId}:user/jane-${count}` }, 's3:GetObject', `${arn}/object/in/*`)
  await control().send(new PutAccessPointPolicyCommand({ AccountId, Name, Policy }))
  await expect(text(jane, Alias)).rejects.toMatchObject({
    ...denied,
    message: expect.stringContaining(`s3:GetObject on resource: "arn:aws:s3:::${Bucket}/in/one"`),
  })
  await delegate(Bucket)
  expect(await text(jane, Alias)).toBe('one')
  // Only what the access point allows, and only through it.
  await expect(text(jane, Bucket)).rejects.toMatchObject(denied)
  await expect(jane.send(new PutObjectCommand({ Bucket: Alias, Key: 'in/x', Body: 'x' }))).rejects.toMatchObject({
    ...denied,
    message: expect.stringContaining(`${arn}/object/in/x`),
  })
  const { Errors } = await jane.send(
    new DeleteObjectsCommand({ Bucket: Alias, Delete: { Objects: [{ Key: 'in/one' }] } }),
  )
  expect(Errors).toMatchObject([{ Key: 'in/one', Code: 'AccessDenied' }])
  await control().send(new DeleteAccessPointPolicyCommand({ AccountId, Name }))
  await expect(text(jane, Alias)).rejects.toMatchObject(denied)
})

test('identity policies speak of access points, and of what requests through them carry', async () => {
  const { Bucket, Alias, arn } = await made({ Tags: [{ Key: 'team', Value: 'blue' }] })
  const both = [`${arn}/object/*`, `arn:aws:s3:::${Bucket}/*`]
  const through = (condition: object) => [allow('s3:GetObject', both, { StringEquals: condition })]
  const user = async (name: string, policies: object[]) =>
    drydock.client(S3Client, await drydock.user(`${name}-${count}`, policies))
  const byArn = await user(
    'by-arn',
    through({ 's3:DataAccessPointArn': arn, 's3:AccessPointNetworkOrigin': 'Internet' }),
  )
  expect(await text(byArn, Alias)).toBe('one')
  await expect(text(byArn, Bucket)).rejects.toMatchObject(denied)
  expect(await text(await user('by-tag', through({ 's3:AccessPointTag/team': 'blue' })), Alias)).toBe('one')
  await expect(text(await user('red', through({ 's3:AccessPointTag/team': 'red' })), Alias)).rejects.toMatchObject(
    denied,
  )
  const tagged = [
    allow('s3:GetObject', both[0], { StringEquals: { 'aws:ResourceTag/team': 'blue' } }),
    allow('s3:GetObject', both[1]),
  ]
  expect(await text(await user('by-resource-tag', tagged), Alias)).toBe('one')
  // Of the access point alone, and of the bucket alone: neither will do.
  await expect(text(await user('door', [allow('s3:GetObject', both[0])]), Alias)).rejects.toMatchObject(denied)
  await expect(text(await user('room', [allow('s3:GetObject', both[1])]), Alias)).rejects.toMatchObject(denied)
})

test('another account’s access point opens the bucket as far as the bucket says', async () => {
  const { Bucket, Alias, Name, arn } = await made({}, other)
  expect(arn).toContain(':111111111111:')
  const foreign = drydock.client(S3Client, other)
  await expect(text(foreign, Alias)).rejects.toMatchObject(denied)
  await delegate(Bucket, '111111111111')
  expect(await text(foreign, Alias)).toBe('one')
  await expect(control().send(new GetAccessPointCommand({ AccountId: '111111111111', Name }))).rejects.toMatchObject(
    denied,
  )
  const own = control(other).send(new CreateAccessPointCommand({ AccountId: '111111111111', Name: 'mine', Bucket }))
  await expect(own).rejects.toMatchObject(denied)
  // It is no hindrance to who owns the bucket.
  await s3.send(new DeleteObjectCommand({ Bucket, Key: 'in/one' }))
  await s3.send(new DeleteBucketCommand({ Bucket }))
  await expect(text(foreign, Alias)).rejects.toMatchObject({ name: 'NoSuchBucket' })
})

test('one of a VPC refuses what does not come from there; nobody comes through without a name', async () => {
  const inside = await made({ VpcConfiguration: { VpcId: 'vpc-12345678' } })
  expect(await control().send(new GetAccessPointCommand({ AccountId, Name: inside.Name }))).toMatchObject({
    NetworkOrigin: 'VPC',
    VpcConfiguration: { VpcId: 'vpc-12345678' },
  })
  await expect(text(s3, inside.Alias)).rejects.toMatchObject(denied)
  const { Alias } = await made()
  expect((await fetch(`${drydock.endpoint}/${Alias}/in/one`)).status).toBe(403)
})

test('public policies are blocked, told, and shut out strangers', async () => {
  const { Name, arn } = await made()
  const Policy = document('*', 's3:GetObject', `${arn}/object/*`)
  const put = (name: string, policy: string) =>
    control().send(new PutAccessPointPolicyCommand({ AccountId, Name: name, Policy: policy }))
  await expect(put(Name, Policy)).rejects.toMatchObject(denied)
  const open = await made({ PublicAccessBlockConfiguration: { RestrictPublicBuckets: true } })
  const openPolicy = document('*', 's3:GetObject', `${open.arn}/object/*`)
  await put(open.Name, openPolicy)
  const status = new GetAccessPointPolicyStatusCommand({ AccountId, Name: open.Name })
  expect(await control().send(status)).toMatchObject({ PolicyStatus: { IsPublic: true } })
  expect((await control().send(new GetAccessPointPolicyCommand({ AccountId, Name: open.Name }))).Policy).toBe(
    openPolicy,
  )
  await delegate(open.Bucket)
  await expect(text(drydock.client(S3Client, other), open.Alias)).rejects.toMatchObject(denied)
  const all = await made({ PublicAccessBlockConfiguration: {} })
  await put(all.Name, document('*', 's3:GetObject', `${all.arn}/object/*`))
  await delegate(all.Bucket)
  expect(await text(drydock.client(S3Client, other), all.Alias)).toBe('one')
  // Within a VPC nothing is public.
  const inside = await made({ VpcConfiguration: { VpcId: 'vpc-12345678' } })
  await put(inside.Name, document('*', 's3:GetObject', `${inside.arn}/object/*`))
  expect(await control().send(new GetAccessPointPolicyStatusCommand({ AccountId, Name: inside.Name }))).toMatchObject({
    PolicyStatus: { IsPublic: false },
  })
})

test.each<[string, (arn: string) => string]>([
  ['no JSON', () => '{'],
  ['of the bucket', () => document('*', 's3:GetObject', 'arn:aws:s3:::data/*')],
  ['of another service', (arn) => document('*', 'sqs:*', `${arn}/object/*`)],
  ['of nobody', (arn) => document(undefined, 's3:GetObject', `${arn}/object/*`)],
  ['too long', (arn) => document({ AWS: AccountId }, 's3:GetObject', `${arn}/object/${'x'.repeat(21_000)}`)],
])('a policy %s is refused', async (_, policy) => {
  const { Name, arn } = await made()
  await expect(
    control().send(new PutAccessPointPolicyCommand({ AccountId, Name, Policy: policy(arn) })),
  ).rejects.toMatchObject({ name: 'MalformedPolicy' })
  await expect(control().send(new GetAccessPointPolicyCommand({ AccountId, Name }))).rejects.toMatchObject({
    name: 'NoSuchAccessPointPolicy',
  })
})

test('buckets and access points are tagged', async () => {
  const { Bucket, arn } = await made()
  for (const ResourceArn of [`arn:aws:s3:::${Bucket}`, arn]) {
    const tags = async () => (await control().send(new ListTagsForResourceCommand({ AccountId, ResourceArn }))).Tags
    const put = (Tags: { Key: string; Value: string }[]) =>
      control().send(new TagResourceCommand({ AccountId, ResourceArn, Tags }))
    await put([
      { Key: 'team', Value: 'blue' },
      { Key: 'cost', Value: '1' },
    ])
    await put([{ Key: 'team', Value: 'red' }])
    expect(await tags()).toEqual([
      { Key: 'cost', Value: '1' },
      { Key: 'team', Value: 'red' },
    ])
    await control().send(new UntagResourceCommand({ AccountId, ResourceArn, TagKeys: ['cost', 'none'] }))
    expect(await tags()).toEqual([{ Key: 'team', Value: 'red' }])
    await expect(put([{ Key: 'aws:x', Value: '' }])).rejects.toMatchObject({ name: 'InvalidTag' })
  }
  const job = `arn:aws:s3:us-east-1:${AccountId}:storage-lens-group/mine`
  await expect(control().send(new ListTagsForResourceCommand({ AccountId, ResourceArn: job }))).rejects.toMatchObject({
    name: 'NotImplemented',
  })
})

test('a log of the bucket and CloudTrail name the access point a request came through', async () => {
  const { Bucket, Alias, arn } = await made()
  const target = `logs-${count}`
  await s3.send(new CreateBucketCommand({ Bucket: target }))
  const Statement = {
    Effect: 'Allow',
    Principal: { Service: 'logging.s3.amazonaws.com' },
    Action: 's3:PutObject',
    Resource: `arn:aws:s3:::${target}/*`,
  }
  await s3.send(
    new PutBucketPolicyCommand({ Bucket: target, Policy: JSON.stringify({ Statement, Version: '2012-10-17' }) }),
  )
  const BucketLoggingStatus = { LoggingEnabled: { TargetBucket: target, TargetPrefix: 'log/' } }
  await s3.send(new PutBucketLoggingCommand({ Bucket, BucketLoggingStatus }))
  // So that data events are recorded.
  await drydock.client(CloudTrailClient).send(new CreateEventDataStoreCommand({ Name: 'everything' }))
  expect(await text(s3, Alias)).toBe('one')
  await drydock.advance({ minutes: 6 })
  const { Contents = [] } = await s3.send(new ListObjectsV2Command({ Bucket: target }))
  const logs = await Promise.all(Contents.map(({ Key = '' }) => text(s3, target, Key)))
  expect(logs.join('')).toContain(` - ${arn} -\n`)
  const stream = auditStream(AccountId, drydock.region)
  const records = await drydock.server.kernel.append.range(stream, { limit: 1000, reverse: true })
  const bucketArn = `arn:aws:s3:::${Bucket}`
  expect(records.map(({ body }) => body)).toContainEqual(
    expect.objectContaining({
      eventName: 'GetObject',
      requestParameters: expect.objectContaining({ bucketName: Alias, key: 'in/one' }),
      resources: expect.arrayContaining([
        { type: 'AWS::S3::AccessPoint', ARN: arn, accountId: AccountId },
        { type: 'AWS::S3::Object', ARN: `${bucketArn}/in/one` },
        { type: 'AWS::S3::Bucket', ARN: bucketArn, accountId: AccountId },
      ]),
    }),
  )
})

test('request metrics can be those of an access point', async () => {
  const { Bucket, Alias, arn } = await made()
  const configure = (AccessPointArn: string) =>
    s3.send(
      new PutBucketMetricsConfigurationCommand({
        Bucket,
        Id: 'door',
        MetricsConfiguration: { Id: 'door', Filter: { AccessPointArn } },
      }),
    )
  await expect(configure(`${arn}-none`)).rejects.toMatchObject({ name: 'InvalidArgument' })
  await configure(arn)
  await text(s3, Bucket)
  await text(s3, Alias)
  const now = drydock.clock.now().getTime()
  const { Datapoints = [] } = await drydock.client(CloudWatchClient).send(
    new GetMetricStatisticsCommand({
      Namespace: 'AWS/S3',
      MetricName: 'GetRequests',
      Dimensions: [
        { Name: 'BucketName', Value: Bucket },
        { Name: 'FilterId', Value: 'door' },
      ],
      StartTime: new Date(now - 3_600_000),
      EndTime: new Date(now + 60_000),
      Period: 3600,
      Statistics: ['Sum'],
    }),
  )
  expect(Datapoints.reduce((sum, { Sum = 0 }) => sum + Sum, 0)).toBe(1)
})

test('CloudTrail has who made an access point', async () => {
  const { Name } = await made()
  const { Events } = await drydock
    .client(CloudTrailClient)
    .send(new LookupEventsCommand({ LookupAttributes: [{ AttributeKey: 'ResourceName', AttributeValue: Name }] }))
  expect(Events?.map(({ EventName }) => EventName)).toContain('CreateAccessPoint')
})
