import {
  AccessAnalyzerClient,
  ApplyArchiveRuleCommand,
  CreateAnalyzerCommand,
  CreateArchiveRuleCommand,
  DeleteAnalyzerCommand,
  GetAnalyzedResourceCommand,
  GetAnalyzerCommand,
  GetArchiveRuleCommand,
  GetFindingCommand,
  GetFindingsStatisticsCommand,
  GetFindingV2Command,
  ListAnalyzedResourcesCommand,
  ListAnalyzersCommand,
  ListArchiveRulesCommand,
  ListFindingsCommand,
  type ListFindingsCommandInput,
  ListFindingsV2Command,
  ListTagsForResourceCommand,
  StartResourceScanCommand,
  TagResourceCommand,
  UntagResourceCommand,
  UpdateFindingsCommand,
} from '@aws-sdk/client-accessanalyzer'
import { GetRoleCommand, IAMClient, UpdateAssumeRolePolicyCommand } from '@aws-sdk/client-iam'
import { CreateKeyCommand, KMSClient } from '@aws-sdk/client-kms'
import {
  CreateBucketCommand,
  DeleteBucketPolicyCommand,
  DeletePublicAccessBlockCommand,
  PutBucketPolicyCommand,
  PutPublicAccessBlockCommand,
  S3Client,
} from '@aws-sdk/client-s3'
import {
  CreateAccessPointCommand,
  DeleteAccessPointCommand,
  PutAccessPointPolicyCommand,
} from '@aws-sdk/client-s3-control'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { s3Control } from '../../../../test/s3-hosts.ts'
import { allow, type Story, story } from '../../../../test/story.ts'

let drydock: Story
let analyzer: AccessAnalyzerClient
let s3: S3Client
const other = '111122223333'
const analyzerArn = 'arn:aws:access-analyzer:us-east-1:000000000000:analyzer/own'
const bucketArn = 'arn:aws:s3:::shared'

beforeEach(async () => {
  drydock = await story()
  analyzer = drydock.client(AccessAnalyzerClient)
  s3 = drydock.client(S3Client)
  await s3.send(new CreateBucketCommand({ Bucket: 'shared' }))
  await s3.send(new DeletePublicAccessBlockCommand({ Bucket: 'shared' }))
})
afterEach(() => drydock.close())

const create = async (more: object = {}) => {
  await analyzer.send(new CreateAnalyzerCommand({ analyzerName: 'own', type: 'ACCOUNT', ...more }))
  await drydock.settled()
}
const policy = (Principal: unknown, more: object = {}) =>
  JSON.stringify({
    Version: '2012-10-17',
    Statement: [{ Effect: 'Allow', Principal, Action: 's3:GetObject', Resource: `${bucketArn}/*`, ...more }],
  })
const share = (Principal: unknown, more: object = {}) =>
  s3.send(new PutBucketPolicyCommand({ Bucket: 'shared', Policy: policy(Principal, more) }))
const list = async (filter: ListFindingsCommandInput['filter'] = {}) =>
  (await analyzer.send(new ListFindingsCommand({ analyzerArn, filter }))).findings ?? []
const errorOf = (call: Promise<unknown>) =>
  call.then(
    () => 'no error',
    (error: unknown) => (error as Error).name,
  )
/** What a change wakes comes after the call's answer. */
const found = async (expected: (findings: Awaited<ReturnType<typeof list>>) => boolean) => {
  for (let at = 0; at < 50; at++) {
    await drydock.settled()
    const findings = await list()
    if (expected(findings)) return findings
    await new Promise((resolve) => setImmediate(resolve))
  }
  return list()
}

test('an analyzer has its role, its tags, its quota and its end', async () => {
  await create({ tags: { team: 'a' } })
  const { Role } = await drydock
    .client(IAMClient)
    .send(new GetRoleCommand({ RoleName: 'AWSServiceRoleForAccessAnalyzer' }))
  expect(Role?.Path).toBe('/aws-service-role/access-analyzer.amazonaws.com/')
  expect((await analyzer.send(new GetAnalyzerCommand({ analyzerName: 'own' }))).analyzer).toMatchObject({
    arn: analyzerArn,
    name: 'own',
    type: 'ACCOUNT',
    status: 'ACTIVE',
    tags: { team: 'a' },
    createdAt: new Date('2026-11-23T09:00:00Z'),
  })
  const again = (analyzerName: string) => analyzer.send(new CreateAnalyzerCommand({ analyzerName, type: 'ACCOUNT' }))
  expect(await errorOf(again('own'))).toBe('ConflictException')
  expect(await errorOf(again('second'))).toBe('ServiceQuotaExceededException')
  await analyzer.send(new TagResourceCommand({ resourceArn: analyzerArn, tags: { stage: 'b' } }))
  await analyzer.send(new UntagResourceCommand({ resourceArn: analyzerArn, tagKeys: ['team'] }))
  expect((await analyzer.send(new ListTagsForResourceCommand({ resourceArn: analyzerArn }))).tags).toEqual({
    stage: 'b',
  })
  expect((await analyzer.send(new ListAnalyzersCommand({ type: 'ORGANIZATION' }))).analyzers).toEqual([])
  expect(await errorOf(analyzer.send(new CreateAnalyzerCommand({ analyzerName: 'org', type: 'ORGANIZATION' })))).toBe(
    'ValidationException',
  )
  await analyzer.send(new DeleteAnalyzerCommand({ analyzerName: 'own' }))
  expect(await errorOf(list())).toBe('ResourceNotFoundException')
})

test('a caller without the right to make the role makes no analyzer', async () => {
  const weak = drydock.client(AccessAnalyzerClient, await drydock.user('weak', [allow('access-analyzer:*')]))
  expect(await errorOf(weak.send(new CreateAnalyzerCommand({ analyzerName: 'own', type: 'ACCOUNT' })))).toMatch(
    /AccessDenied/,
  )
})

test('access from another account is found, follows the policy, and is resolved with it', async () => {
  await share({ AWS: other })
  await create()
  const [finding] = await list()
  expect(finding).toMatchObject({
    resource: bucketArn,
    resourceType: 'AWS::S3::Bucket',
    resourceOwnerAccount: '000000000000',
    principal: { AWS: other },
    action: ['s3:GetObject'],
    condition: {},
    isPublic: false,
    status: 'ACTIVE',
    sources: [{ type: 'POLICY' }],
    resourceControlPolicyRestriction: 'NOT_APPLICABLE',
  })
  await drydock.advance({ hours: 1 })
  await share('*', {
    Condition: { StringEquals: { 'aws:PrincipalOrgID': 'o-1' } },
    Action: ['s3:GetObject', 's3:List*'],
  })
  const findings = await found((all) => all.some(({ status }) => status === 'RESOLVED'))
  expect(findings.find(({ id }) => id === finding?.id)?.status).toBe('RESOLVED')
  const [active] = findings.filter(({ status }) => status === 'ACTIVE')
  expect(active).toMatchObject({ principal: { AWS: '*' }, isPublic: false, condition: { 'aws:PrincipalOrgID': 'o-1' } })
  expect(active?.action).toEqual(expect.arrayContaining(['s3:GetObject', 's3:ListBucket']))
  await s3.send(new DeleteBucketPolicyCommand({ Bucket: 'shared' }))
  expect((await found((all) => all.every(({ status }) => status === 'RESOLVED'))).map(({ status }) => status)).toEqual([
    'RESOLVED',
    'RESOLVED',
  ])
  await share({ AWS: other })
  const back = await found((all) => all.some(({ status }) => status === 'ACTIVE'))
  expect(back.find(({ status }) => status === 'ACTIVE')?.id).toBe(finding?.id)
})

test('access through an access point is a finding of its bucket, where the bucket leaves it to the access point', async () => {
  const AccountId = drydock.account
  const control = s3Control(drydock)
  const { AccessPointArn: accessPointArn = '' } = await control.send(
    new CreateAccessPointCommand({ AccountId, Name: 'door', Bucket: 'shared' }),
  )
  const Policy = policy({ AWS: other }).replace(`${bucketArn}/*`, `${accessPointArn}/object/*`)
  await control.send(new PutAccessPointPolicyCommand({ AccountId, Name: 'door', Policy }))
  await create()
  expect(await list()).toEqual([])
  await share('*', { Condition: { StringEquals: { 's3:DataAccessPointAccount': AccountId } } })
  expect(await found((all) => all.length > 0)).toMatchObject([
    {
      resource: bucketArn,
      principal: { AWS: other },
      action: ['s3:GetObject'],
      isPublic: false,
      sources: [{ type: 'S3_ACCESS_POINT', detail: { accessPointArn, accessPointAccount: AccountId } }],
    },
  ])
  await control.send(new DeleteAccessPointCommand({ AccountId, Name: 'door' }))
  expect(await found(([one]) => one?.status === 'RESOLVED')).toMatchObject([{ status: 'RESOLVED' }])
  await share('*', { Condition: { StringEquals: { 's3:DataAccessPointAccount': '111122223333' } } })
  const all = await found((findings) => findings.some(({ status }) => status === 'ACTIVE'))
  expect(all.find(({ status }) => status === 'ACTIVE')?.sources).toEqual([
    { type: 'S3_ACCESS_POINT_ACCOUNT', detail: { accessPointAccount: '111122223333' } },
  ])
})

test('the public is told from other accounts, and shut out by the block of public access', async () => {
  await create()
  await share('*')
  const [open] = await found((all) => all.length > 0)
  expect(open).toMatchObject({ principal: { AWS: '*' }, isPublic: true })
  const { resource } = await analyzer.send(new GetAnalyzedResourceCommand({ analyzerArn, resourceArn: bucketArn }))
  expect(resource).toMatchObject({ isPublic: true, actions: ['s3:GetObject'], sharedVia: ['POLICY'], status: 'ACTIVE' })
  await s3.send(
    new PutPublicAccessBlockCommand({
      Bucket: 'shared',
      PublicAccessBlockConfiguration: { RestrictPublicBuckets: true },
    }),
  )
  expect((await found(([one]) => one?.status === 'RESOLVED')).map(({ status }) => status)).toEqual(['RESOLVED'])
})

test("roles are shared by their trust, keys by their policy; what is one's own is no finding", async () => {
  await drydock.role('mine', 'ec2.amazonaws.com')
  await drydock.role('partner', {
    Version: '2012-10-17',
    Statement: [
      {
        Effect: 'Allow',
        Principal: { AWS: `arn:aws:iam::${other}:root` },
        Action: 'sts:AssumeRole',
        Condition: { StringEquals: { 'sts:ExternalId': 'x' } },
      },
    ],
  })
  const { KeyMetadata } = await drydock.client(KMSClient).send(
    new CreateKeyCommand({
      Policy: JSON.stringify({
        Version: '2012-10-17',
        Statement: [
          { Effect: 'Allow', Principal: { AWS: 'arn:aws:iam::000000000000:root' }, Action: 'kms:*', Resource: '*' },
          { Effect: 'Allow', Principal: { AWS: `arn:aws:iam::${other}:root` }, Action: 'kms:Decrypt', Resource: '*' },
        ],
      }),
    }),
  )
  await create()
  const findings = await list()
  expect(findings.map(({ resource }) => resource).toSorted()).toEqual(
    [KeyMetadata?.Arn, 'arn:aws:iam::000000000000:role/partner'].toSorted(),
  )
  const role = findings.find(({ resourceType }) => resourceType === 'AWS::IAM::Role')
  expect(role).toMatchObject({ action: ['sts:AssumeRole'], condition: { 'sts:ExternalId': 'x' } })
  expect(findings.find(({ resourceType }) => resourceType === 'AWS::KMS::Key')).toMatchObject({
    action: ['kms:Decrypt'],
  })

  const v2 = await analyzer.send(new GetFindingV2Command({ analyzerArn, id: role?.id ?? '' }))
  expect(v2).toMatchObject({
    findingType: 'ExternalAccess',
    findingDetails: [{ externalAccessDetails: { principal: { AWS: `arn:aws:iam::${other}:root` }, isPublic: false } }],
  })
  const { finding } = await analyzer.send(new GetFindingCommand({ analyzerArn, id: role?.id ?? '' }))
  expect(finding).toEqual(role)
  const { findingsStatistics } = await analyzer.send(new GetFindingsStatisticsCommand({ analyzerArn }))
  expect(findingsStatistics?.[0]?.externalAccessFindingsStatistics).toMatchObject({
    totalActiveFindings: 2,
    resourceTypeStatistics: { 'AWS::IAM::Role': { totalActiveCrossAccount: 1, totalActivePublic: 0 } },
  })
  const { analyzedResources } = await analyzer.send(
    new ListAnalyzedResourcesCommand({ analyzerArn, resourceType: 'AWS::IAM::Role' }),
  )
  expect(analyzedResources?.map(({ resourceArn }) => resourceArn)).toEqual([
    'arn:aws:iam::000000000000:role/mine',
    'arn:aws:iam::000000000000:role/partner',
  ])
})

test('lists are filtered, sorted and cut', async () => {
  for (const name of ['a', 'b', 'c'])
    await drydock.role(name, {
      Version: '2012-10-17',
      Statement: [{ Effect: 'Allow', Principal: { AWS: other }, Action: 'sts:AssumeRole' }],
    })
  await share('*')
  await create()
  expect((await list({ resource: { contains: ['role/a', 'role/b'] } })).length).toBe(2)
  expect((await list({ isPublic: { eq: ['true'] } })).map(({ resource }) => resource)).toEqual([bucketArn])
  expect((await list({ resourceType: { neq: ['AWS::IAM::Role'] } })).length).toBe(1)
  expect((await list({ 'principal.AWS': { eq: [other] } })).length).toBe(3)
  expect((await list({ error: { exists: true } })).length).toBe(0)
  expect(await errorOf(list({ nothing: { eq: ['x'] } }))).toBe('ValidationException')
  expect(await errorOf(list({ resource: {} }))).toBe('ValidationException')
  const seen: (string | undefined)[] = []
  let nextToken: string | undefined
  do {
    const answer = await analyzer.send(
      new ListFindingsV2Command({
        analyzerArn,
        maxResults: 3,
        nextToken,
        sort: { attributeName: 'resource', orderBy: 'DESC' },
      }),
    )
    seen.push(...(answer.findings ?? []).map(({ resource }) => resource?.at(-1)))
    nextToken = answer.nextToken
  } while (nextToken)
  expect(seen).toEqual(['d', 'c', 'b', 'a'])
})

test('findings are archived by hand, by rule when they are new, and by applying a rule', async () => {
  await share({ AWS: other })
  await create({ archiveRules: [{ ruleName: 'roles', filter: { resourceType: { eq: ['AWS::IAM::Role'] } } }] })
  await drydock.role('partner', {
    Version: '2012-10-17',
    Statement: [{ Effect: 'Allow', Principal: { AWS: other }, Action: 'sts:AssumeRole' }],
  })
  const findings = await found((all) => all.length === 2)
  expect(findings.map(({ resourceType, status }) => `${resourceType} ${status}`).toSorted()).toEqual([
    'AWS::IAM::Role ARCHIVED',
    'AWS::S3::Bucket ACTIVE',
  ])
  const [bucket] = findings.filter(({ resource }) => resource === bucketArn)
  const update = (status: 'ACTIVE' | 'ARCHIVED') =>
    analyzer.send(new UpdateFindingsCommand({ analyzerArn, ids: [bucket?.id ?? ''], status }))
  await update('ARCHIVED')
  expect((await list({ status: { eq: ['ACTIVE'] } })).length).toBe(0)
  await analyzer.send(new StartResourceScanCommand({ analyzerArn, resourceArn: bucketArn }))
  expect((await list({ status: { eq: ['ARCHIVED'] } })).length).toBe(2)
  await update('ACTIVE')

  const filter = { 'principal.AWS': { eq: [other] } }
  await analyzer.send(new CreateArchiveRuleCommand({ analyzerName: 'own', ruleName: 'partner', filter }))
  expect((await list({ status: { eq: ['ACTIVE'] } })).length).toBe(1)
  await analyzer.send(new ApplyArchiveRuleCommand({ analyzerArn, ruleName: 'partner' }))
  expect((await list({ status: { eq: ['ACTIVE'] } })).length).toBe(0)
  const { archiveRule } = await analyzer.send(new GetArchiveRuleCommand({ analyzerName: 'own', ruleName: 'partner' }))
  expect(archiveRule).toMatchObject({ ruleName: 'partner', filter })
  const { archiveRules } = await analyzer.send(new ListArchiveRulesCommand({ analyzerName: 'own' }))
  expect(archiveRules?.map(({ ruleName }) => ruleName)).toEqual(['partner', 'roles'])
  expect(
    await errorOf(analyzer.send(new CreateArchiveRuleCommand({ analyzerName: 'own', ruleName: 'partner', filter }))),
  ).toBe('ConflictException')

  await drydock.client(IAMClient).send(
    new UpdateAssumeRolePolicyCommand({
      RoleName: 'partner',
      PolicyDocument: JSON.stringify({
        Version: '2012-10-17',
        Statement: [{ Effect: 'Allow', Principal: { Service: 'ec2.amazonaws.com' }, Action: 'sts:AssumeRole' }],
      }),
    }),
  )
  const after = await found((all) => all.some(({ status }) => status === 'RESOLVED'))
  expect(after.find(({ resourceType }) => resourceType === 'AWS::IAM::Role')?.status).toBe('RESOLVED')
  expect(
    await errorOf(analyzer.send(new StartResourceScanCommand({ analyzerArn, resourceArn: 'arn:aws:s3:::absent' }))),
  ).toBe('ResourceNotFoundException')
})
