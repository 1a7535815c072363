import { CloudWatchClient, PutMetricDataCommand } from '@aws-sdk/client-cloudwatch'
import { CodeCommitClient, CreateRepositoryCommand, ListRepositoriesCommand } from '@aws-sdk/client-codecommit'
import * as sdk from '@aws-sdk/client-iam'
import { ListBucketsCommand, S3Client } from '@aws-sdk/client-s3'
import { AssumeRoleCommand, GetCallerIdentityCommand, STSClient } from '@aws-sdk/client-sts'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { allow, type Keys, type Story, story } from '../../../test/story.ts'
import type { PolicyDocument } from '../../policy/policy.ts'
import { reachOf } from './reach.ts'

let drydock: Story
let iam: sdk.IAMClient
beforeAll(async () => {
  drydock = await story()
  iam = drydock.client(sdk.IAMClient)
})
afterAll(() => drydock.close())

const arn = (rest: string) => `arn:aws:iam::000000000000:${rest}`

const generate = async (Arn: string, Granularity?: sdk.AccessAdvisorUsageGranularityType) =>
  (await iam.send(new sdk.GenerateServiceLastAccessedDetailsCommand({ Arn, Granularity }))).JobId

const details = async (Arn: string, Granularity?: sdk.AccessAdvisorUsageGranularityType) =>
  iam.send(new sdk.GetServiceLastAccessedDetailsCommand({ JobId: await generate(Arn, Granularity), MaxItems: 1000 }))

const attempt = (call: Promise<unknown>) => call.catch(() => undefined)

test('a report names what policies reach, and what was tried', async () => {
  const keys = await drydock.user('ann', [
    allow(['codecommit:List*', 's3:*', 'sqs:SendMessage'], 'arn:aws:s3:::shop'),
    allow('codecommit:*'),
  ])
  const codecommit = drydock.client(CodeCommitClient, keys, 'eu-west-1')
  await codecommit.send(new ListRepositoriesCommand({}))
  const tried = drydock.clock.now()
  await drydock.advance({ minutes: 2 })
  // Denied attempts count: nothing of S3 but one bucket is allowed.
  await attempt(drydock.client(S3Client, keys).send(new ListBucketsCommand({})))

  const report = await details(arn('user/ann'))
  expect(report).toMatchObject({ JobStatus: 'COMPLETED', JobType: 'SERVICE_LEVEL', IsTruncated: false })
  expect(report.ServicesLastAccessed).toEqual([
    {
      ServiceName: 'AWS CodeCommit',
      ServiceNamespace: 'codecommit',
      LastAuthenticated: tried,
      LastAuthenticatedEntity: arn('user/ann'),
      LastAuthenticatedRegion: 'eu-west-1',
      TotalAuthenticatedEntities: 1,
    },
    expect.objectContaining({ ServiceNamespace: 's3', LastAuthenticated: drydock.clock.now() }),
    { ServiceName: 'Amazon SQS', ServiceNamespace: 'sqs', TotalAuthenticatedEntities: 0 },
  ])

  const byAction = await details(arn('user/ann'), 'ACTION_LEVEL')
  const actions = byAction.ServicesLastAccessed?.map(({ TrackedActionsLastAccessed }) => TrackedActionsLastAccessed)
  expect(actions).toEqual([
    [
      {
        ActionName: 'ListRepositories',
        LastAccessedEntity: arn('user/ann'),
        LastAccessedRegion: 'eu-west-1',
        LastAccessedTime: tried,
      },
    ],
    [expect.objectContaining({ ActionName: 'ListAllMyBuckets' })],
    undefined,
  ])
})

test('data events are told by service only', async () => {
  const keys = await drydock.user('meter', [allow('cloudwatch:*')])
  await drydock
    .client(CloudWatchClient, keys)
    .send(new PutMetricDataCommand({ Namespace: 'shop', MetricData: [{ MetricName: 'sales', Value: 1 }] }))
  const { ServicesLastAccessed } = await details(arn('user/meter'), 'ACTION_LEVEL')
  expect(
    ServicesLastAccessed?.map(({ TrackedActionsLastAccessed: actions, ...one }) => [
      one.TotalAuthenticatedEntities,
      actions,
    ]),
  ).toEqual([[1, undefined]])
})

test('Git by its own door counts, when it is denied too', async () => {
  await drydock.client(CodeCommitClient).send(new CreateRepositoryCommand({ repositoryName: 'secret' }))
  await drydock.user('puller', [allow('codecommit:GitPull', 'arn:aws:codecommit:us-east-1:000000000000:public')])
  const { ServiceSpecificCredential: git } = await iam.send(
    new sdk.CreateServiceSpecificCredentialCommand({ UserName: 'puller', ServiceName: 'codecommit.amazonaws.com' }),
  )
  const authorization = `Basic ${btoa(`${git?.ServiceUserName}:${git?.ServicePassword}`)}`
  const url = `${drydock.endpoint}/v1/repos/secret/info/refs?service=git-upload-pack`
  expect((await fetch(url, { headers: { authorization } })).status).toBe(403)
  const { ServicesLastAccessed } = await details(arn('user/puller'), 'ACTION_LEVEL')
  expect(ServicesLastAccessed).toMatchObject([
    { ServiceNamespace: 'codecommit', TrackedActionsLastAccessed: [{ ActionName: 'GitPull' }] },
  ])
})

test('what was noted outlives the server', async () => {
  const first = await story({ durable: true })
  const keys = await first.user('ann', [allow('sts:*')])
  await first.client(STSClient, keys).send(new GetCallerIdentityCommand({}))
  const report = async (at: Story) => {
    const client = at.client(sdk.IAMClient)
    const { JobId } = await client.send(new sdk.GenerateServiceLastAccessedDetailsCommand({ Arn: arn('user/ann') }))
    return (await client.send(new sdk.GetServiceLastAccessedDetailsCommand({ JobId }))).ServicesLastAccessed
  }
  const before = await report(first)
  expect(before).toMatchObject([{ ServiceNamespace: 'sts', LastAuthenticatedEntity: arn('user/ann') }])
  const second = await first.restart()
  expect(await report(second)).toEqual(before)
  await second.close()
})

test('groups and policies are told by who used them', async () => {
  const PolicyArn = arn('policy/team/builders')
  const PolicyDocument = JSON.stringify(allow(['codecommit:*', 'sts:*']))
  await iam.send(new sdk.CreatePolicyCommand({ PolicyName: 'builders', Path: '/team/', PolicyDocument }))
  await iam.send(new sdk.CreateGroupCommand({ GroupName: 'builders' }))
  await iam.send(new sdk.AttachGroupPolicyCommand({ GroupName: 'builders', PolicyArn }))
  const keys: Keys[] = []
  for (const UserName of ['bea', 'bob', 'idle']) {
    keys.push(await drydock.user(UserName))
    await iam.send(new sdk.AddUserToGroupCommand({ GroupName: 'builders', UserName }))
  }
  const create = (who: number) =>
    drydock.client(CodeCommitClient, keys[who]).send(new CreateRepositoryCommand({ repositoryName: `repo-${who}` }))
  await create(0)
  await drydock.advance({ minutes: 5 })
  await create(1)

  for (const subject of [arn('group/builders'), PolicyArn]) {
    const { ServicesLastAccessed } = await details(subject)
    expect(ServicesLastAccessed?.[0]).toMatchObject({
      ServiceNamespace: 'codecommit',
      LastAuthenticatedEntity: arn('user/bob'),
      TotalAuthenticatedEntities: 2,
    })
    const JobId = await generate(subject)
    const ask = (Marker?: string) =>
      iam.send(
        new sdk.GetServiceLastAccessedDetailsWithEntitiesCommand({
          JobId,
          ServiceNamespace: 'codecommit',
          MaxItems: 2,
          Marker,
        }),
      )
    const first = await ask()
    expect(first.EntityDetailsList?.map(({ EntityInfo }) => EntityInfo?.Name)).toEqual(['bob', 'bea'])
    const second = await ask(first.Marker)
    expect(second.EntityDetailsList).toEqual([
      { EntityInfo: expect.objectContaining({ Name: 'idle', Type: 'USER', Path: '/', Arn: arn('user/idle') }) },
    ])
  }
})

test('a report is its maker’s, and of what there is', async () => {
  const keys = await drydock.user('other', [allow('iam:*')])
  const JobId = await generate(arn('user/other'))
  await expect(
    drydock.client(sdk.IAMClient, keys).send(new sdk.GetServiceLastAccessedDetailsCommand({ JobId })),
  ).rejects.toMatchObject({ name: 'NoSuchEntityException' })
  await expect(generate(arn('user/nobody'))).rejects.toMatchObject({ name: 'NoSuchEntityException' })
  await expect(generate(arn('instance-profile/x'))).rejects.toMatchObject({ name: 'InvalidInputException' })
  await expect(
    iam.send(new sdk.GetServiceLastAccessedDetailsWithEntitiesCommand({ JobId, ServiceNamespace: 'nonsense' })),
  ).rejects.toMatchObject({ name: 'InvalidInputException' })
})

test('a role tells when and where it was last used, for 400 days', async () => {
  const role = await drydock.role(
    'worker',
    {
      Version: '2012-10-17',
      Statement: [{ Effect: 'Allow', Principal: { AWS: arn('root') }, Action: 'sts:AssumeRole' }],
    },
    [allow('codecommit:*')],
  )
  const used = async () => (await iam.send(new sdk.GetRoleCommand({ RoleName: 'worker' }))).Role?.RoleLastUsed
  expect(await used()).toEqual({})
  const caller = await drydock.user('caller', [allow('sts:AssumeRole')])
  const { Credentials } = await drydock
    .client(STSClient, caller)
    .send(new AssumeRoleCommand({ RoleArn: role, RoleSessionName: 'now' }))
  // Assuming a role is a deed of who assumes it.
  expect(await used()).toEqual({})
  const session = {
    accessKeyId: Credentials?.AccessKeyId ?? '',
    secretAccessKey: Credentials?.SecretAccessKey ?? '',
    sessionToken: Credentials?.SessionToken ?? '',
  }
  await drydock.client(STSClient, session, 'eu-north-1').send(new GetCallerIdentityCommand({}))
  const expected = { LastUsedDate: drydock.clock.now(), Region: 'eu-north-1' }
  expect(await used()).toEqual(expected)
  const { RoleDetailList } = await iam.send(new sdk.GetAccountAuthorizationDetailsCommand({ Filter: ['Role'] }))
  expect(RoleDetailList?.find(({ RoleName }) => RoleName === 'worker')?.RoleLastUsed).toEqual(expected)
  await drydock.advance({ days: 401 })
  expect(await used()).toEqual({})
})

test('the policies that grant a service', async () => {
  await drydock.user('granted', [allow('codecommit:GitPull')], ['arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess'])
  await iam.send(new sdk.CreateGroupCommand({ GroupName: 'givers' }))
  await iam.send(
    new sdk.PutGroupPolicyCommand({
      GroupName: 'givers',
      PolicyName: 'gift',
      PolicyDocument: JSON.stringify(allow('s3:ListBucket')),
    }),
  )
  await iam.send(new sdk.AddUserToGroupCommand({ GroupName: 'givers', UserName: 'granted' }))
  const { PoliciesGrantingServiceAccess } = await iam.send(
    new sdk.ListPoliciesGrantingServiceAccessCommand({
      Arn: arn('user/granted'),
      ServiceNamespaces: ['s3', 'codecommit', 'sqs'],
    }),
  )
  expect(PoliciesGrantingServiceAccess).toEqual([
    {
      ServiceNamespace: 's3',
      Policies: [
        {
          PolicyName: 'AmazonS3ReadOnlyAccess',
          PolicyType: 'MANAGED',
          PolicyArn: 'arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess',
        },
        { PolicyName: 'gift', PolicyType: 'INLINE', EntityType: 'GROUP', EntityName: 'givers' },
      ],
    },
    {
      ServiceNamespace: 'codecommit',
      Policies: [{ PolicyName: 'policy-0', PolicyType: 'INLINE', EntityType: 'USER', EntityName: 'granted' }],
    },
    { ServiceNamespace: 'sqs', Policies: [] },
  ])
})

const policy = (...Statement: object[]) => ({ Version: '2012-10-17', Statement }) as unknown as PolicyDocument

test.each([
  [
    'names',
    [policy({ Effect: 'Allow', Action: ['s3:GetObject', 'sqs:NoSuch'], Resource: 'arn:aws:s3:::a/*' })],
    ['s3'],
  ],
  ['wildcards in a service', [policy({ Effect: 'Allow', Action: 'codec*:Git*', Resource: '*' })], ['codecommit']],
  [
    'a deny of all of it',
    [
      policy({ Effect: 'Allow', Action: ['sqs:*', 'sns:*'], Resource: '*' }),
      policy({ Effect: 'Deny', Action: 'sqs:*', Resource: '*' }),
    ],
    ['sns'],
  ],
  [
    'a deny in some circumstances',
    [
      policy(
        { Effect: 'Allow', Action: 'sqs:*', Resource: '*' },
        { Effect: 'Deny', Action: 'sqs:*', Resource: '*', Condition: { Bool: { 'aws:SecureTransport': 'false' } } },
      ),
    ],
    ['sqs'],
  ],
  ['nothing', [policy()], []],
])('reach: %s', async (_, documents, expected) => {
  expect(await reachOf(documents)).toEqual(expected)
})

test('reach: everything but', async () => {
  const all = await reachOf([policy({ Effect: 'Allow', Action: '*', Resource: '*' })])
  const most = await reachOf([policy({ Effect: 'Allow', NotAction: ['iam:*', 'sqs:SendMessage'], Resource: '*' })])
  expect(all.length).toBeGreaterThan(400)
  expect(all.filter((service) => !most.includes(service))).toContain('iam')
  expect(most).toContain('sqs')
})
