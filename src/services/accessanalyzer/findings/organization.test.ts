import {
  AccessAnalyzerClient,
  CreateAnalyzerCommand,
  GetFindingsStatisticsCommand,
  ListFindingsCommand,
  ListFindingsV2Command,
} from '@aws-sdk/client-accessanalyzer'
import { CreateRoleCommand, IAMClient } from '@aws-sdk/client-iam'
import {
  CreateAccountCommand,
  CreateOrganizationCommand,
  DescribeCreateAccountStatusCommand,
  OrganizationsClient,
} from '@aws-sdk/client-organizations'
import { AssumeRoleCommand, STSClient } from '@aws-sdk/client-sts'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { allow, type Story, story } from '../../../../test/story.ts'

let drydock: Story
let member: string
let memberIam: IAMClient

beforeEach(async () => {
  drydock = await story()
  const organizations = drydock.client(OrganizationsClient)
  await organizations.send(new CreateOrganizationCommand({ FeatureSet: 'ALL' }))
  const { CreateAccountStatus } = await organizations.send(
    new CreateAccountCommand({ AccountName: 'dev', Email: 'dev@example.com' }),
  )
  await drydock.settled()
  const { CreateAccountStatus: made } = await organizations.send(
    new DescribeCreateAccountStatusCommand({ CreateAccountRequestId: CreateAccountStatus?.Id }),
  )
  member = made?.AccountId ?? ''
  const { Credentials } = await drydock.client(STSClient, await drydock.user('admin', [allow('*')])).send(
    new AssumeRoleCommand({
      RoleArn: `arn:aws:iam::${member}:role/OrganizationAccountAccessRole`,
      RoleSessionName: 'admin',
    }),
  )
  memberIam = drydock.client(IAMClient, {
    accessKeyId: Credentials?.AccessKeyId ?? '',
    secretAccessKey: Credentials?.SecretAccessKey ?? '',
    sessionToken: Credentials?.SessionToken ?? '',
  })
})
afterEach(() => drydock.close())

const trusting = (account: string) =>
  JSON.stringify({
    Version: '2012-10-17',
    Statement: [{ Effect: 'Allow', Principal: { AWS: account }, Action: 'sts:AssumeRole' }],
  })

test('within the zone of an organization its accounts trust each other, and outsiders are found in all of them', async () => {
  await memberIam.send(
    new CreateRoleCommand({ RoleName: 'inside', AssumeRolePolicyDocument: trusting('000000000000') }),
  )
  await memberIam.send(
    new CreateRoleCommand({ RoleName: 'outside', AssumeRolePolicyDocument: trusting('999988887777') }),
  )
  const analyzer = drydock.client(AccessAnalyzerClient)
  const { arn: analyzerArn } = await analyzer.send(
    new CreateAnalyzerCommand({ analyzerName: 'org', type: 'ORGANIZATION' }),
  )
  await drydock.settled()
  const { findings } = await analyzer.send(new ListFindingsCommand({ analyzerArn }))
  expect(findings?.map(({ resource, resourceOwnerAccount }) => [resource, resourceOwnerAccount])).toEqual([
    [`arn:aws:iam::${member}:role/outside`, member],
  ])
})

test('what is unused is found in every account', async () => {
  await memberIam.send(new CreateRoleCommand({ RoleName: 'idle', AssumeRolePolicyDocument: trusting('000000000000') }))
  await drydock.advance({ days: 100 })
  const analyzer = drydock.client(AccessAnalyzerClient)
  const { arn: analyzerArn } = await analyzer.send(
    new CreateAnalyzerCommand({ analyzerName: 'unused', type: 'ORGANIZATION_UNUSED_ACCESS' }),
  )
  await drydock.settled()
  const filter = { resource: { contains: ['role/idle'] } }
  const { findings } = await analyzer.send(new ListFindingsV2Command({ analyzerArn, filter }))
  expect(findings).toMatchObject([{ findingType: 'UnusedIAMRole', resourceOwnerAccount: member, status: 'ACTIVE' }])
  const { findingsStatistics } = await analyzer.send(new GetFindingsStatisticsCommand({ analyzerArn }))
  const { topAccounts } = findingsStatistics?.[0]?.unusedAccessFindingsStatistics ?? {}
  expect(topAccounts?.map(({ account }) => account)).toContain(member)
})
