import {
  AccessAnalyzerClient,
  CreateAnalyzerCommand,
  GenerateFindingRecommendationCommand,
  GetFindingRecommendationCommand,
  GetFindingsStatisticsCommand,
  GetFindingV2Command,
  ListFindingsCommand,
  ListFindingsV2Command,
  UpdateAnalyzerCommand,
} from '@aws-sdk/client-accessanalyzer'
import { CloudWatchLogsClient, CreateLogGroupCommand } from '@aws-sdk/client-cloudwatch-logs'
import {
  CreateLoginProfileCommand,
  DeleteAccessKeyCommand,
  IAMClient,
  ListUsersCommand,
  TagRoleCommand,
} from '@aws-sdk/client-iam'
import { AssumeRoleCommand, GetCallerIdentityCommand, STSClient } from '@aws-sdk/client-sts'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { allow, type Story, story } from '../../../../test/story.ts'

let drydock: Story
let analyzer: AccessAnalyzerClient
const analyzerArn = 'arn:aws:access-analyzer:us-east-1:000000000000:analyzer/unused'
const account = 'arn:aws:iam::000000000000'
beforeEach(async () => {
  drydock = await story()
  analyzer = drydock.client(AccessAnalyzerClient)
})
afterEach(() => drydock.close())

const create = async (unusedAccess: object = { unusedAccessAge: 30 }) => {
  await analyzer.send(
    new CreateAnalyzerCommand({
      analyzerName: 'unused',
      type: 'ACCOUNT_UNUSED_ACCESS',
      configuration: { unusedAccess },
    }),
  )
  await drydock.settled()
}
const list = async (status = 'ACTIVE') =>
  (await analyzer.send(new ListFindingsV2Command({ analyzerArn, filter: { status: { eq: [status] } } }))).findings
    ?.map(({ findingType, resource }) => `${findingType} ${resource?.slice(account.length + 1)}`)
    .toSorted()
const idOf = async (type: string, resource: string) => {
  const { findings } = await analyzer.send(new ListFindingsV2Command({ analyzerArn }))
  return findings?.find((one) => one.findingType === type && one.resource === `${account}:${resource}`)?.id ?? ''
}
const trusting = {
  Version: '2012-10-17',
  Statement: [{ Effect: 'Allow', Principal: { AWS: '000000000000' }, Action: 'sts:AssumeRole' }],
}
const assume = async (RoleName: string, keys: Awaited<ReturnType<Story['user']>>) => {
  const { Credentials } = await drydock
    .client(STSClient, keys)
    .send(new AssumeRoleCommand({ RoleArn: `${account}:role/${RoleName}`, RoleSessionName: 'session' }))
  return {
    accessKeyId: Credentials?.AccessKeyId ?? '',
    secretAccessKey: Credentials?.SecretAccessKey ?? '',
    sessionToken: Credentials?.SessionToken ?? '',
  }
}

test('what nobody used for as long as the analyzer waits is found, and is resolved by use or removal', async () => {
  const busy = await drydock.user('busy', [allow('sts:*')])
  const idle = await drydock.user('idle')
  await drydock
    .client(IAMClient)
    .send(new CreateLoginProfileCommand({ UserName: 'idle', Password: 'Very-long-1-password' }))
  await drydock.role('idle', trusting)
  await create()
  expect(await list()).toEqual([])
  await drydock.advance({ days: 29 })
  await drydock.client(STSClient, busy).send(new GetCallerIdentityCommand({}))
  expect(await list()).toEqual([])
  await drydock.advance({ days: 3 })
  expect(await list()).toEqual([
    'UnusedIAMRole role/idle',
    'UnusedIAMUserAccessKey user/idle',
    'UnusedIAMUserPassword user/idle',
    'UnusedPermission user/busy',
  ])
  const key = await analyzer.send(
    new GetFindingV2Command({ analyzerArn, id: await idOf('UnusedIAMUserAccessKey', 'user/idle') }),
  )
  expect(key).toMatchObject({
    resourceType: 'AWS::IAM::User',
    findingDetails: [{ unusedIamUserAccessKeyDetails: { accessKeyId: idle.accessKeyId } }],
  })
  const { findingsStatistics } = await analyzer.send(new GetFindingsStatisticsCommand({ analyzerArn }))
  expect(findingsStatistics?.[0]?.unusedAccessFindingsStatistics).toMatchObject({
    totalActiveFindings: 4,
    totalArchivedFindings: 0,
  })
  await expect(analyzer.send(new ListFindingsCommand({ analyzerArn }))).rejects.toMatchObject({
    name: 'ValidationException',
  })

  await assume('idle', busy).then((keys) => drydock.client(STSClient, keys).send(new GetCallerIdentityCommand({})))
  await drydock.client(IAMClient).send(new DeleteAccessKeyCommand({ UserName: 'idle', AccessKeyId: idle.accessKeyId }))
  await drydock.advance({ days: 1 })
  expect(await list()).toEqual(['UnusedIAMUserPassword user/idle', 'UnusedPermission user/busy'])
  expect(await list('RESOLVED')).toEqual(['UnusedIAMRole role/idle', 'UnusedIAMUserAccessKey user/idle'])
})

test('permissions that are held and not used, and the policy without them', async () => {
  const caller = await drydock.user('caller', [allow('sts:AssumeRole')])
  await drydock.role('worker', trusting, [
    allow(['logs:CreateLogGroup', 'logs:DeleteLogGroup', 'logs:PutLogEvents', 'iam:ListUsers', 'codebuild:*']),
  ])
  await drydock.advance({ days: 40 })
  const keys = await assume('worker', caller)
  await drydock.client(CloudWatchLogsClient, keys).send(new CreateLogGroupCommand({ logGroupName: 'a' }))
  await drydock.client(IAMClient, keys).send(new ListUsersCommand({}))
  await create()
  const id = await idOf('UnusedPermission', 'role/worker')
  const { findingDetails } = await analyzer.send(new GetFindingV2Command({ analyzerArn, id }))
  expect(findingDetails?.map((one) => one.unusedPermissionDetails)).toEqual([
    { serviceNamespace: 'codebuild' },
    {
      serviceNamespace: 'logs',
      lastAccessed: expect.any(Date),
      actions: [{ action: 'DeleteLogGroup' }],
    },
  ])
  await analyzer.send(new GenerateFindingRecommendationCommand({ analyzerArn, id }))
  const recommendation = await analyzer.send(new GetFindingRecommendationCommand({ analyzerArn, id }))
  expect(recommendation).toMatchObject({
    status: 'SUCCEEDED',
    recommendationType: 'UnusedPermissionRecommendation',
    resourceArn: `${account}:role/worker`,
  })
  const [made, detached] = recommendation.recommendedSteps?.map((step) => step.unusedPermissionsRecommendedStep) ?? []
  expect(made).toMatchObject({ recommendedAction: 'CREATE_POLICY', existingPolicyId: 'policy-0' })
  expect(JSON.parse(made?.recommendedPolicy ?? '').Statement[0].Action).toEqual([
    'logs:CreateLogGroup',
    'logs:PutLogEvents',
    'iam:ListUsers',
  ])
  expect(detached).toEqual({ recommendedAction: 'DETACH_POLICY', existingPolicyId: 'policy-0' })
})

test('accounts and tags can be left out', async () => {
  await drydock.role('idle', trusting)
  await drydock.role('known', trusting)
  await drydock
    .client(IAMClient)
    .send(new TagRoleCommand({ RoleName: 'known', Tags: [{ Key: 'break-glass', Value: 'yes' }] }))
  await drydock.advance({ days: 100 })
  await create({ analysisRule: { exclusions: [{ resourceTags: [{ 'break-glass': 'yes' }] }] } })
  expect(await list()).toEqual(['UnusedIAMRole role/idle'])
  await analyzer.send(
    new UpdateAnalyzerCommand({
      analyzerName: 'unused',
      configuration: { unusedAccess: { analysisRule: { exclusions: [{ accountIds: ['000000000000'] }] } } },
    }),
  )
  await drydock.settled()
  expect(await list()).toEqual([])
})
