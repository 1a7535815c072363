import {
  CancelQueryCommand,
  CloudTrailClient,
  CreateChannelCommand,
  CreateDashboardCommand,
  CreateEventDataStoreCommand,
  DeleteDashboardCommand,
  DeleteEventDataStoreCommand,
  DeleteResourcePolicyCommand,
  DescribeQueryCommand,
  GetDashboardCommand,
  GetEventDataStoreCommand,
  GetImportCommand,
  GetQueryResultsCommand,
  GetResourcePolicyCommand,
  ListEventDataStoresCommand,
  ListImportFailuresCommand,
  ListImportsCommand,
  ListQueriesCommand,
  PutResourcePolicyCommand,
  RestoreEventDataStoreCommand,
  SearchSampleQueriesCommand,
  StartDashboardRefreshCommand,
  StartEventDataStoreIngestionCommand,
  StartImportCommand,
  StartQueryCommand,
  StopEventDataStoreIngestionCommand,
  UpdateDashboardCommand,
  UpdateEventDataStoreCommand,
} from '@aws-sdk/client-cloudtrail'
import { CloudWatchLogsClient, CreateLogGroupCommand } from '@aws-sdk/client-cloudwatch-logs'
import {
  CreateBucketCommand,
  ListObjectsV2Command,
  PutBucketPolicyCommand,
  PutObjectCommand,
  S3Client,
} from '@aws-sdk/client-s3'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { allow, type Story, story } from '../../../../test/story.ts'
import { errorOf, loggingTrail, trailBucketPolicy } from '../story-bench.ts'

let drydock: Story
let trail: CloudTrailClient
beforeEach(async () => {
  drydock = await story()
  trail = drydock.client(CloudTrailClient)
})
afterEach(() => drydock.close())

const group = (logGroupName: string) =>
  drydock.client(CloudWatchLogsClient).send(new CreateLogGroupCommand({ logGroupName }))

const store = async (input: object = {}): Promise<{ arn: string; id: string }> => {
  const { EventDataStoreArn: arn = '' } = await trail.send(
    new CreateEventDataStoreCommand({ Name: 'events', ...input }),
  )
  return { arn, id: arn.split('/').at(-1) ?? '' }
}

const ask = async (QueryStatement: string, QueryParameters?: string[]) => {
  const { QueryId } = await trail.send(
    new StartQueryCommand({ QueryStatement, ...(QueryParameters ? { QueryParameters } : {}) }),
  )
  await drydock.settled()
  return trail.send(new GetQueryResultsCommand({ QueryId }))
}

test('a store takes events in, and queries answer', async () => {
  const { id, arn } = await store()
  await group('one')
  await group('two')
  await drydock.settled()
  const names = await ask(
    `SELECT element_at(requestParameters, 'logGroupName') AS name, userIdentity.type FROM ${id} WHERE eventName = 'CreateLogGroup' ORDER BY 1`,
  )
  expect(names.QueryStatus).toBe('FINISHED')
  expect(names.QueryResultRows).toEqual([
    [{ name: 'one' }, { type: 'Root' }],
    [{ name: 'two' }, { type: 'Root' }],
  ])
  const counted = await ask(`SELECT count(*) AS n FROM ${id} WHERE eventName = ?`, ['CreateLogGroup'])
  expect(counted.QueryResultRows).toEqual([[{ n: '2' }]])
  const { Queries = [] } = await trail.send(new ListQueriesCommand({ EventDataStore: arn }))
  expect(Queries.map(({ QueryStatus }) => QueryStatus)).toEqual(['FINISHED', 'FINISHED'])
  const described = await trail.send(new DescribeQueryCommand({ QueryId: Queries[0]?.QueryId }))
  expect(described.QueryStatistics?.EventsScanned).toBeGreaterThanOrEqual(2)
  expect(await errorOf(trail.send(new CancelQueryCommand({ QueryId: Queries[0]?.QueryId })))).toBe(
    'InactiveQueryException',
  )
  expect(await errorOf(ask(`SELECT nothing FROM ${id}`))).toBe('InvalidQueryStatementException')
  expect(await errorOf(ask('SELECT eventName FROM f81d4fae-7dec-11d0-a765-00a0c91e6bf6'))).toBe(
    'EventDataStoreNotFoundException',
  )
  await drydock.advance({ days: 8 })
  expect((await trail.send(new ListQueriesCommand({ EventDataStore: arn }))).Queries).toEqual([])
})

test('pages of results', async () => {
  const { id } = await store()
  for (let at = 0; at < 5; at++) await group(`g${at}`)
  await drydock.settled()
  const statement = `SELECT element_at(requestParameters, 'logGroupName') AS name FROM ${id} WHERE eventName = 'CreateLogGroup' ORDER BY 1`
  const { QueryId } = await trail.send(new StartQueryCommand({ QueryStatement: statement }))
  await drydock.settled()
  const seen: string[] = []
  let NextToken: string | undefined
  do {
    const page = await trail.send(
      new GetQueryResultsCommand({ QueryId, MaxQueryResults: 2, ...(NextToken ? { NextToken } : {}) }),
    )
    seen.push(...(page.QueryResultRows ?? []).map(([cell]) => cell?.name ?? ''))
    NextToken = page.NextToken
  } while (NextToken)
  expect(seen).toEqual(['g0', 'g1', 'g2', 'g3', 'g4'])
})

test('the life of a store', async () => {
  const { arn, id } = await store({ RetentionPeriod: 30 })
  expect(await errorOf(store())).toBe('EventDataStoreAlreadyExistsException')
  expect(await trail.send(new GetEventDataStoreCommand({ EventDataStore: id }))).toMatchObject({
    EventDataStoreArn: arn,
    Status: 'ENABLED',
    RetentionPeriod: 30,
    TerminationProtectionEnabled: true,
    MultiRegionEnabled: true,
    BillingMode: 'EXTENDABLE_RETENTION_PRICING',
  })
  await group('one')
  await drydock.advance({ seconds: 1 })
  await trail.send(new StopEventDataStoreIngestionCommand({ EventDataStore: arn }))
  await drydock.advance({ seconds: 1 })
  await group('two')
  await drydock.advance({ seconds: 1 })
  expect(await errorOf(trail.send(new StopEventDataStoreIngestionCommand({ EventDataStore: arn })))).toBe(
    'InvalidEventDataStoreStatusException',
  )
  await trail.send(new StartEventDataStoreIngestionCommand({ EventDataStore: arn }))
  await drydock.advance({ seconds: 1 })
  await group('three')
  await drydock.settled()
  const named = () =>
    ask(
      `SELECT element_at(requestParameters, 'logGroupName') AS n FROM ${id} WHERE eventName = 'CreateLogGroup' ORDER BY eventTime`,
    )
  expect((await named()).QueryResultRows).toEqual([[{ n: 'one' }], [{ n: 'three' }]])
  expect(await errorOf(trail.send(new DeleteEventDataStoreCommand({ EventDataStore: arn })))).toBe(
    'EventDataStoreTerminationProtectedException',
  )
  await trail.send(
    new UpdateEventDataStoreCommand({ EventDataStore: arn, TerminationProtectionEnabled: false, Name: 'renamed' }),
  )
  await trail.send(new DeleteEventDataStoreCommand({ EventDataStore: arn }))
  expect(await errorOf(named())).toBe('InactiveEventDataStoreException')
  await trail.send(new RestoreEventDataStoreCommand({ EventDataStore: arn }))
  expect((await named()).QueryResultRows).toHaveLength(2)
  await drydock.advance({ days: 31 })
  expect((await named()).QueryResultRows).toEqual([])
  await trail.send(new DeleteEventDataStoreCommand({ EventDataStore: arn }))
  expect((await trail.send(new GetEventDataStoreCommand({ EventDataStore: arn }))).Status).toBe('PENDING_DELETION')
  await drydock.advance({ days: 7, seconds: 1 })
  expect((await trail.send(new ListEventDataStoresCommand({}))).EventDataStores).toEqual([])
})

test('results go to S3 with a file that vouches for them', async () => {
  const { id, arn } = await store()
  const s3 = drydock.client(S3Client)
  await s3.send(new CreateBucketCommand({ Bucket: 'results' }))
  const deliver = async () => {
    const { QueryId } = await trail.send(
      new StartQueryCommand({ QueryStatement: `SELECT count(*) AS n FROM ${id}`, DeliveryS3Uri: 's3://results/lake' }),
    )
    await drydock.settled()
    return trail.send(new DescribeQueryCommand({ QueryId }))
  }
  expect((await deliver()).DeliveryStatus).toBe('ACCESS_DENIED')
  const Policy = JSON.stringify(trailBucketPolicy('results', arn, 'lake'))
  await s3.send(new PutBucketPolicyCommand({ Bucket: 'results', Policy }))
  const described = await deliver()
  expect(described).toMatchObject({ DeliveryStatus: 'SUCCESS', DeliveryS3Uri: 's3://results/lake' })
  const { Contents = [] } = await s3.send(new ListObjectsV2Command({ Bucket: 'results' }))
  const folder = `lake/AWSLogs/000000000000/CloudTrail-Lake/Query/2026/11/23/${described.QueryId}`
  expect(Contents.map(({ Key }) => Key)).toEqual([`${folder}/result_1.csv.gz`, `${folder}/result_sign.json`])
})

test('a dashboard runs the queries of its widgets', async () => {
  const { id } = await store()
  const widget = (QueryStatement: string, QueryParameters?: string[]) => ({
    QueryStatement,
    ViewProperties: { Height: '2', Width: '4', Title: 'Calls', View: 'Table' },
    ...(QueryParameters ? { QueryParameters } : {}),
  })
  const Widgets = [
    widget(`SELECT count(*) AS n FROM ${id} WHERE eventTime > ? AND eventTime < ?`, ['$StartTime$', '$EndTime$']),
  ]
  const create = (statement: string) =>
    errorOf(trail.send(new CreateDashboardCommand({ Name: 'calls', Widgets: [widget(statement)] })))
  expect(await create(`SELEC 1 FROM ${id}`)).toBe('InvalidQueryStatementException')
  await trail.send(
    new CreateDashboardCommand({
      Name: 'calls',
      Widgets,
      TerminationProtectionEnabled: true,
      RefreshSchedule: { Status: 'ENABLED', Frequency: { Unit: 'HOURS', Value: 6 } },
    }),
  )
  expect(await errorOf(trail.send(new StartDashboardRefreshCommand({ DashboardId: 'calls' })))).toBe(
    'InvalidParameterException',
  )
  const { RefreshId } = await trail.send(
    new StartDashboardRefreshCommand({
      DashboardId: 'calls',
      QueryParameterValues: { $StartTime$: '2026-11-22', $EndTime$: '2026-11-24' },
    }),
  )
  await drydock.settled()
  const dashboard = await trail.send(new GetDashboardCommand({ DashboardId: 'calls' }))
  expect(dashboard).toMatchObject({ Type: 'CUSTOM', Status: 'CREATED', LastRefreshId: RefreshId })
  const QueryAlias = dashboard.Widgets?.[0]?.QueryAlias
  expect(await trail.send(new DescribeQueryCommand({ QueryAlias, RefreshId }))).toMatchObject({
    QueryStatus: 'FINISHED',
  })
  await drydock.advance({ hours: 6, seconds: 1 })
  const later = await trail.send(new GetDashboardCommand({ DashboardId: 'calls' }))
  expect(later.LastRefreshId).not.toBe(RefreshId)
  expect(await errorOf(trail.send(new DeleteDashboardCommand({ DashboardId: 'calls' })))).toBe('ConflictException')
  await trail.send(new UpdateDashboardCommand({ DashboardId: 'calls', TerminationProtectionEnabled: false }))
  await trail.send(new DeleteDashboardCommand({ DashboardId: 'calls' }))
  expect(await errorOf(trail.send(new GetDashboardCommand({ DashboardId: 'calls' })))).toBe('ResourceNotFoundException')
})

test('log files of a trail are copied into a store', async () => {
  await loggingTrail(drydock, 'audit')
  await group('one')
  await drydock.advance({ minutes: 6 })
  const s3 = drydock.client(S3Client)
  await s3.send(
    new PutObjectCommand({ Bucket: 'audit-logs', Key: 'AWSLogs/000000000000/CloudTrail/x.json.gz', Body: 'nonsense' }),
  )
  const { arn, id } = await store({ StartIngestion: false })
  const role = await drydock.role('copier', 'cloudtrail.amazonaws.com', [allow(['s3:GetObject', 's3:ListBucket'])])
  const location = (S3LocationUri: string) => ({
    Destinations: [arn],
    ImportSource: { S3: { S3LocationUri, S3BucketRegion: 'us-east-1', S3BucketAccessRoleArn: role } },
  })
  expect(await errorOf(trail.send(new StartImportCommand(location('s3://audit-logs/'))))).toBe(
    'InvalidImportSourceException',
  )
  const { ImportId } = await trail.send(
    new StartImportCommand(location('s3://audit-logs/AWSLogs/000000000000/CloudTrail/')),
  )
  await drydock.settled()
  const done = await trail.send(new GetImportCommand({ ImportId }))
  expect(done).toMatchObject({ ImportStatus: 'FAILED', ImportStatistics: { FilesCompleted: 1, FailedEntries: 1 } })
  const { Failures = [] } = await trail.send(new ListImportFailuresCommand({ ImportId }))
  expect(Failures.map(({ Location }) => Location)).toEqual([
    's3://audit-logs/AWSLogs/000000000000/CloudTrail/x.json.gz',
  ])
  expect((await trail.send(new ListImportsCommand({ Destination: arn }))).Imports).toHaveLength(1)
  const found = await ask(
    `SELECT element_at(requestParameters, 'logGroupName') AS n FROM ${id} WHERE eventName = 'CreateLogGroup'`,
  )
  expect(found.QueryResultRows).toEqual([[{ n: 'one' }]])
})

test('a store’s policy lets another account’s user see it', async () => {
  const { arn } = await store()
  const reader = drydock.client(CloudTrailClient, await drydock.user('reader'))
  const get = () => errorOf(reader.send(new GetEventDataStoreCommand({ EventDataStore: arn })))
  expect(await get()).toBe('AccessDeniedException')
  const policy = (Action: string) =>
    JSON.stringify({
      Version: '2012-10-17',
      Statement: [
        { Effect: 'Allow', Principal: { AWS: 'arn:aws:iam::000000000000:user/reader' }, Action, Resource: arn },
      ],
    })
  expect(await errorOf(trail.send(new PutResourcePolicyCommand({ ResourceArn: arn, ResourcePolicy: '{}' })))).toBe(
    'ResourcePolicyNotValidException',
  )
  await trail.send(
    new PutResourcePolicyCommand({ ResourceArn: arn, ResourcePolicy: policy('cloudtrail:GetEventDataStore') }),
  )
  expect(await get()).toBe('no error')
  expect((await trail.send(new GetResourcePolicyCommand({ ResourceArn: arn }))).ResourcePolicy).toContain('reader')
  await trail.send(new DeleteResourcePolicyCommand({ ResourceArn: arn }))
  expect(await errorOf(trail.send(new GetResourcePolicyCommand({ ResourceArn: arn })))).toBe(
    'ResourcePolicyNotFoundException',
  )
})

test('channels end in stores of their category', async () => {
  const plain = await store()
  const create = (Location: string, Source = 'Custom') =>
    trail.send(
      new CreateChannelCommand({ Name: 'app', Source, Destinations: [{ Type: 'EVENT_DATA_STORE', Location }] }),
    )
  expect(await errorOf(create(plain.arn))).toBe('InvalidEventDataStoreCategoryException')
  const own = await store({
    Name: 'outside',
    TerminationProtectionEnabled: false,
    AdvancedEventSelectors: [
      { Name: 'all', FieldSelectors: [{ Field: 'eventCategory', Equals: ['ActivityAuditLog'] }] },
    ],
  })
  expect((await create(own.arn)).Destinations).toEqual([{ Type: 'EVENT_DATA_STORE', Location: own.arn }])
  expect(await errorOf(create(own.arn))).toBe('ChannelAlreadyExistsException')
  expect(await errorOf(create(own.arn, 'none'))).toBe('InvalidSourceException')
  expect(await errorOf(trail.send(new DeleteEventDataStoreCommand({ EventDataStore: own.arn })))).toBe(
    'ChannelExistsForEDSException',
  )
})

test('samples are found by their words, and run', async () => {
  const { id } = await store()
  const { SearchResults = [] } = await trail.send(
    new SearchSampleQueriesCommand({ SearchPhrase: 'calls by hour', MaxResults: 50 }),
  )
  expect(SearchResults[0]?.Name).toBe('Calls per hour')
  const everything = await trail.send(
    new SearchSampleQueriesCommand({ SearchPhrase: 'select from where', MaxResults: 50 }),
  )
  for (const { SQL = '' } of everything.SearchResults ?? [])
    expect((await ask(SQL.replace('$EDS_ID', id))).QueryStatus).toBe('FINISHED')
})
