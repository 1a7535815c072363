import {
  AccessAnalyzerClient,
  CreateAnalyzerCommand,
  CreateServiceLinkedAnalyzerCommand,
  DeleteServiceLinkedAnalyzerCommand,
  type FindingDetails,
  GetAnalyzerCommand,
  GetFindingsStatisticsCommand,
  GetFindingV2Command,
  ListAnalyzedResourcesCommand,
  ListAnalyzersCommand,
  ListFindingsCommand,
  ListFindingsV2Command,
  UpdateAnalyzerCommand,
} from '@aws-sdk/client-accessanalyzer'
import {
  CreatePolicyCommand,
  CreateRoleCommand,
  DeleteUserPolicyCommand,
  IAMClient,
  PutRolePermissionsBoundaryCommand,
  PutRolePolicyCommand,
  TagUserCommand,
} from '@aws-sdk/client-iam'
import {
  AttachPolicyCommand,
  CreateAccountCommand,
  CreatePolicyCommand as CreateControlPolicyCommand,
  CreateOrganizationCommand,
  DescribeCreateAccountStatusCommand,
  EnablePolicyTypeCommand,
  ListRootsCommand,
  OrganizationsClient,
} from '@aws-sdk/client-organizations'
import {
  CreateBucketCommand,
  DeletePublicAccessBlockCommand,
  PutBucketAclCommand,
  PutBucketPolicyCommand,
  S3Client,
} from '@aws-sdk/client-s3'
import { AssumeRoleCommand, STSClient } from '@aws-sdk/client-sts'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { allow, type Story, story } from '../../../../test/story.ts'

let drydock: Story
let analyzer: AccessAnalyzerClient
let iam: IAMClient
const analyzerArn = 'arn:aws:access-analyzer:us-east-1:000000000000:analyzer/inside'
const critical = 'arn:aws:s3:::critical'
const objects = `${critical}/*`

beforeEach(async () => {
  drydock = await story()
  analyzer = drydock.client(AccessAnalyzerClient)
  iam = drydock.client(IAMClient)
  const s3 = drydock.client(S3Client)
  await s3.send(new CreateBucketCommand({ Bucket: 'critical' }))
  await s3.send(new CreateBucketCommand({ Bucket: 'other' }))
})
afterEach(() => drydock.close())

const create = async (
  inclusions: object[],
  type: 'ACCOUNT_INTERNAL_ACCESS' | 'ORGANIZATION_INTERNAL_ACCESS' = 'ACCOUNT_INTERNAL_ACCESS',
) => {
  await analyzer.send(
    new CreateAnalyzerCommand({
      analyzerName: 'inside',
      type,
      configuration: { internalAccess: { analysisRule: { inclusions } } },
    }),
  )
  await drydock.settled()
}
const document = (...Statement: object[]) => JSON.stringify({ Version: '2012-10-17', Statement })
const share = (...statements: object[]) =>
  drydock.client(S3Client).send(new PutBucketPolicyCommand({ Bucket: 'critical', Policy: document(...statements) }))

type Details = FindingDetails.InternalAccessDetailsMember['internalAccessDetails']
/** Active findings by principal: user/role and name, its actions, and the conditions where there are any. */
const inside = async (): Promise<(Details & { who: string; resource: string | undefined })[]> => {
  const filter = { status: { eq: ['ACTIVE'] } }
  const { findings = [] } = await analyzer.send(new ListFindingsV2Command({ analyzerArn, filter }))
  const all = await Promise.all(
    findings.map(async ({ id, resource, findingType }) => {
      expect(findingType).toBe('InternalAccess')
      const { findingDetails } = await analyzer.send(new GetFindingV2Command({ analyzerArn, id }))
      const details = findingDetails?.[0]?.internalAccessDetails ?? {}
      return { ...details, who: details.principal?.AWS?.split(':').at(-1) ?? '', resource }
    }),
  )
  return all.toSorted((a, b) => (a.who < b.who ? -1 : 1))
}
/** What a change wakes comes after the call's answer. */
const found = async (expected: (all: Awaited<ReturnType<typeof inside>>) => boolean) => {
  for (let at = 0; at < 50; at++) {
    await drydock.settled()
    const all = await inside()
    if (expected(all)) return all
    await new Promise((resolve) => setImmediate(resolve))
  }
  return inside()
}
const errorOf = (call: Promise<unknown>) =>
  call.then(
    () => 'no error',
    (error: unknown) => (error as Error).name,
  )

test('who may do what with a bucket follows from all policies together', async () => {
  await drydock.user('reader', [allow('s3:GetObject', objects), allow('s3:*', 'arn:aws:s3:::other')])
  await drydock.user('stranger', [allow('logs:*')])
  await drydock.user('guest')
  await drydock.user('denied', [allow(['s3:GetObject', 's3:PutObject'], objects)])
  await drydock.user('private', [allow('s3:PutObject', `${critical}/private/\${aws:username}/*`)])
  await drydock.role('bound', 'ec2.amazonaws.com', [allow('s3:*')])
  const { Policy } = await iam.send(
    new CreatePolicyCommand({
      PolicyName: 'bounds',
      PolicyDocument: JSON.stringify(allow(['s3:ListBucket', 'ec2:*'])),
    }),
  )
  await iam.send(new PutRolePermissionsBoundaryCommand({ RoleName: 'bound', PermissionsBoundary: Policy?.Arn }))
  const user = (name: string) => ({ AWS: `arn:aws:iam::000000000000:user/${name}` })
  await share(
    { Effect: 'Allow', Principal: user('guest'), Action: 's3:ListBucket', Resource: critical },
    { Effect: 'Deny', Principal: user('denied'), Action: 's3:PutObject', Resource: objects },
  )
  await create([{ resourceArns: [critical] }])
  expect(await inside()).toMatchObject([
    { who: 'role/bound', principalType: 'IAM_ROLE', action: ['s3:ListBucket'], condition: {} },
    { who: 'user/denied', action: ['s3:GetObject'] },
    { who: 'user/guest', action: ['s3:ListBucket'] },
    { who: 'user/private', action: ['s3:PutObject'] },
    {
      who: 'user/reader',
      resource: critical,
      principal: user('reader'),
      principalType: 'IAM_USER',
      principalOwnerAccount: '000000000000',
      accessType: 'INTRA_ACCOUNT',
      action: ['s3:GetObject'],
      condition: {},
      sources: [{ type: 'POLICY' }],
      resourceControlPolicyRestriction: 'NOT_APPLICABLE',
      serviceControlPolicyRestriction: 'NOT_APPLICABLE',
    },
  ])
  const { analyzedResources } = await analyzer.send(new ListAnalyzedResourcesCommand({ analyzerArn }))
  expect(analyzedResources?.map(({ resourceArn }) => resourceArn)).toEqual([critical])
  const { findingsStatistics } = await analyzer.send(new GetFindingsStatisticsCommand({ analyzerArn }))
  expect(findingsStatistics).toEqual([
    {
      internalAccessFindingsStatistics: {
        totalActiveFindings: 5,
        totalArchivedFindings: 0,
        totalResolvedFindings: 0,
        resourceTypeStatistics: {
          'AWS::S3::Bucket': { totalActiveFindings: 5, totalArchivedFindings: 0, totalResolvedFindings: 0 },
        },
      },
    },
  ])
  expect(await errorOf(analyzer.send(new ListFindingsCommand({ analyzerArn })))).toBe('ValidationException')

  await iam.send(new DeleteUserPolicyCommand({ UserName: 'reader', PolicyName: 'policy-0' }))
  expect((await found((all) => all.every(({ who }) => who !== 'user/reader'))).map(({ who }) => who)).toEqual([
    'role/bound',
    'user/denied',
    'user/guest',
    'user/private',
  ])
  const { findings } = await analyzer.send(
    new ListFindingsV2Command({ analyzerArn, filter: { 'principal.AWS': { contains: ['reader'] } } }),
  )
  expect(findings).toMatchObject([{ status: 'RESOLVED' }])
})

test('conditions on what is known are decided, on what is not they are told', async () => {
  const when = (Condition: object) => ({ ...allow('s3:GetObject', objects).Statement[0], Condition })
  const versioned = (...Statement: object[]) => ({ Version: '2012-10-17', Statement })
  await drydock.user('office', [versioned(when({ IpAddress: { 'aws:SourceIp': '203.0.113.0/24' } }))])
  await drydock.user('team', [versioned(when({ StringEquals: { 'aws:PrincipalTag/team': 'a' } }))])
  await drydock.user('outsider', [versioned(when({ StringEquals: { 'aws:PrincipalTag/team': 'b' } }))])
  await drydock.user('elsewhere', [versioned(when({ StringEquals: { 'aws:RequestedRegion': 'eu-west-1' } }))])
  await drydock.user('mixed', [
    allow('s3:PutObject', objects),
    versioned(when({ Bool: { 'aws:ViaAWSService': 'true' } })),
  ])
  for (const UserName of ['team', 'outsider'])
    await iam.send(new TagUserCommand({ UserName, Tags: [{ Key: 'team', Value: 'a' }] }))
  await share({
    Effect: 'Deny',
    Principal: '*',
    Action: 's3:PutObject',
    Resource: objects,
    Condition: { Bool: { 'aws:SecureTransport': 'false' } },
  })
  await create([{ resourceTypes: ['AWS::S3::Bucket'], resourceArns: [critical] }])
  expect((await inside()).map(({ who, action, condition }) => ({ who, action, condition }))).toEqual(
    expect.arrayContaining([
      { who: 'user/mixed', action: ['s3:GetObject'], condition: { 'aws:ViaAWSService': 'true' } },
      { who: 'user/mixed', action: ['s3:PutObject'], condition: { 'aws:SecureTransport': 'false' } },
      { who: 'user/office', action: ['s3:GetObject'], condition: { 'aws:SourceIp': '203.0.113.0/24' } },
      { who: 'user/team', action: ['s3:GetObject'], condition: {} },
    ]),
  )
  expect((await inside()).length).toBe(4)
})

test('what an analyzer looks at is what it was told of, and that can change', async () => {
  await drydock.user('reader', [allow('s3:GetBucketPolicy')])
  await create([{ resourceTypes: ['AWS::DynamoDB::Table'] }])
  expect(await inside()).toEqual([])
  const configuration = {
    internalAccess: { analysisRule: { inclusions: [{ resourceTypes: ['AWS::S3::Bucket' as const] }] } },
  }
  const updated = await analyzer.send(new UpdateAnalyzerCommand({ analyzerName: 'inside', configuration }))
  expect(updated.configuration).toEqual(configuration)
  expect((await found((all) => all.length > 0)).map(({ resource }) => resource).toSorted()).toEqual([
    critical,
    'arn:aws:s3:::other',
  ])
  expect((await analyzer.send(new GetAnalyzerCommand({ analyzerName: 'inside' }))).analyzer).toMatchObject({
    type: 'ACCOUNT_INTERNAL_ACCESS',
    configuration,
  })
  const { analyzers } = await analyzer.send(new ListAnalyzersCommand({}))
  expect(analyzers?.[0]).not.toHaveProperty('configuration')
  const wrong = (inclusion: object) =>
    errorOf(
      analyzer.send(
        new UpdateAnalyzerCommand({
          analyzerName: 'inside',
          configuration: { internalAccess: { analysisRule: { inclusions: [inclusion] } } },
        }),
      ),
    )
  expect(await wrong({ accountIds: ['111122223333'] })).toBe('ValidationException')
  expect(await wrong({ resourceTypes: ['AWS::KMS::Key'] })).toBe('ValidationException')
  expect(await wrong({ resourceArns: ['critical'] })).toBe('ValidationException')
  const unused = { unusedAccess: { unusedAccessAge: 30 } }
  expect(
    await errorOf(analyzer.send(new UpdateAnalyzerCommand({ analyzerName: 'inside', configuration: unused }))),
  ).toBe('ValidationException')
})

test('within an organization roles of other accounts reach a bucket, as far as control policies let them', async () => {
  const organizations = drydock.client(OrganizationsClient)
  await organizations.send(new CreateOrganizationCommand({ FeatureSet: 'ALL' }))
  const { CreateAccountStatus } = await organizations.send(
    new CreateAccountCommand({ AccountName: 'dev', Email: 'dev@example.com' }),
  )
  await drydock.settled()
  const { CreateAccountStatus: made } = await organizations.send(
    new DescribeCreateAccountStatusCommand({ CreateAccountRequestId: CreateAccountStatus?.Id }),
  )
  const member = made?.AccountId ?? ''
  const { Credentials } = await drydock.client(STSClient, await drydock.user('admin', [allow('sts:*')])).send(
    new AssumeRoleCommand({
      RoleArn: `arn:aws:iam::${member}:role/OrganizationAccountAccessRole`,
      RoleSessionName: 'admin',
    }),
  )
  const memberIam = drydock.client(IAMClient, {
    accessKeyId: Credentials?.AccessKeyId ?? '',
    secretAccessKey: Credentials?.SecretAccessKey ?? '',
    sessionToken: Credentials?.SessionToken ?? '',
  })
  await memberIam.send(
    new CreateRoleCommand({
      RoleName: 'worker',
      AssumeRolePolicyDocument: document({
        Effect: 'Allow',
        Principal: { Service: 'ec2.amazonaws.com' },
        Action: 'sts:AssumeRole',
      }),
    }),
  )
  await memberIam.send(
    new PutRolePolicyCommand({
      RoleName: 'worker',
      PolicyName: 'use',
      PolicyDocument: JSON.stringify(allow(['s3:GetObject', 's3:PutObject', 's3:DeleteObject'], objects)),
    }),
  )
  await share({
    Effect: 'Allow',
    Principal: { AWS: member },
    Action: ['s3:GetObject', 's3:PutObject'],
    Resource: objects,
  })
  await create([{ accountIds: ['000000000000'], resourceArns: [critical] }], 'ORGANIZATION_INTERNAL_ACCESS')
  const worker = async () => (await inside()).filter(({ who }) => who === 'role/worker')
  expect(await worker()).toMatchObject([
    {
      principalOwnerAccount: member,
      accessType: 'INTRA_ORG',
      action: ['s3:GetObject', 's3:PutObject'],
      serviceControlPolicyRestriction: 'NOT_APPLICABLE',
    },
  ])
  const { Roots } = await organizations.send(new ListRootsCommand({}))
  await organizations.send(
    new EnablePolicyTypeCommand({ RootId: Roots?.[0]?.Id, PolicyType: 'SERVICE_CONTROL_POLICY' }),
  )
  const { Policy } = await organizations.send(
    new CreateControlPolicyCommand({
      Name: 'no-writes',
      Description: '',
      Type: 'SERVICE_CONTROL_POLICY',
      Content: document({ Effect: 'Deny', Action: 's3:Put*', Resource: '*' }),
    }),
  )
  await organizations.send(new AttachPolicyCommand({ PolicyId: Policy?.PolicySummary?.Id, TargetId: member }))
  await found((all) => all.some(({ who, action }) => who === 'role/worker' && action?.length === 1))
  expect(await worker()).toMatchObject([{ action: ['s3:GetObject'], serviceControlPolicyRestriction: 'APPLIED' }])
})

test('a bucket is reached by its access control list as well', async () => {
  await drydock.user('guest')
  const s3 = drydock.client(S3Client)
  await s3.send(new CreateBucketCommand({ Bucket: 'listed', ObjectOwnership: 'BucketOwnerPreferred' }))
  await s3.send(new DeletePublicAccessBlockCommand({ Bucket: 'listed' }))
  await s3.send(new PutBucketAclCommand({ Bucket: 'listed', ACL: 'public-read' }))
  await create([{ resourceArns: ['arn:aws:s3:::listed'] }])
  expect(await inside()).toMatchObject([
    {
      who: 'user/guest',
      action: ['s3:ListBucket', 's3:ListBucketMultipartUploads', 's3:ListBucketVersions'],
      sources: [{ type: 'BUCKET_ACL' }],
    },
  ])
})

test('service-linked analyzers are for services to make, and there is none to delete', async () => {
  expect(
    await errorOf(analyzer.send(new CreateServiceLinkedAnalyzerCommand({ type: 'ACCOUNT_INTERNAL_ACCESS' }))),
  ).toBe('AccessDeniedException')
  await create([])
  expect(await errorOf(analyzer.send(new DeleteServiceLinkedAnalyzerCommand({ analyzerName: 'inside' })))).toBe(
    'ResourceNotFoundException',
  )
  expect((await analyzer.send(new GetAnalyzerCommand({ analyzerName: 'inside' }))).analyzer?.status).toBe('ACTIVE')
})
