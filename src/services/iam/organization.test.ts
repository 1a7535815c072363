import * as sdk from '@aws-sdk/client-iam'
import {
  AttachPolicyCommand,
  CreateAccountCommand,
  CreateOrganizationalUnitCommand,
  CreateOrganizationCommand,
  CreatePolicyCommand,
  DescribeCreateAccountStatusCommand,
  DetachPolicyCommand,
  EnableAWSServiceAccessCommand,
  EnablePolicyTypeCommand,
  ListRootsCommand,
  MoveAccountCommand,
  OrganizationsClient,
  RegisterDelegatedAdministratorCommand,
} from '@aws-sdk/client-organizations'
import { AssumeRoleCommand, GetCallerIdentityCommand, STSClient } from '@aws-sdk/client-sts'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { allow, type Keys, type Story, story } from '../../../test/story.ts'

let drydock: Story
let iam: sdk.IAMClient
let organizations: OrganizationsClient
let admin: Keys
beforeEach(async () => {
  drydock = await story()
  iam = drydock.client(sdk.IAMClient)
  organizations = drydock.client(OrganizationsClient)
  admin = await drydock.user('admin', [allow('*')])
})
afterEach(() => drydock.close())

const management = '000000000000'

const createAccount = async (name: string): Promise<string> => {
  const asked = await organizations.send(new CreateAccountCommand({ AccountName: name, Email: `${name}@example.com` }))
  await drydock.settled()
  const CreateAccountRequestId = asked.CreateAccountStatus?.Id
  const { CreateAccountStatus } = await organizations.send(
    new DescribeCreateAccountStatusCommand({ CreateAccountRequestId }),
  )
  return CreateAccountStatus?.AccountId ?? ''
}

/** Keys of OrganizationAccountAccessRole in a member account. */
const enter = async (account: string): Promise<Keys> => {
  const RoleArn = `arn:aws:iam::${account}:role/OrganizationAccountAccessRole`
  const { Credentials } = await drydock
    .client(STSClient, admin)
    .send(new AssumeRoleCommand({ RoleArn, RoleSessionName: 'admin' }))
  return {
    accessKeyId: Credentials?.AccessKeyId ?? '',
    secretAccessKey: Credentials?.SecretAccessKey ?? '',
    sessionToken: Credentials?.SessionToken ?? '',
  }
}

const features = (client = iam) => client.send(new sdk.ListOrganizationsFeaturesCommand({}))
const enable = (client = iam) => client.send(new sdk.EnableOrganizationsRootSessionsCommand({}))

test('without an organization there is nothing to manage', async () => {
  await expect(features()).rejects.toMatchObject({ name: 'OrganizationNotFoundException' })
  const EntityPath = 'o-exampleorg1/r-1234'
  const { JobId } = await iam.send(new sdk.GenerateOrganizationsAccessReportCommand({ EntityPath }))
  expect(await iam.send(new sdk.GetOrganizationsAccessReportCommand({ JobId }))).toMatchObject({
    JobStatus: 'FAILED',
    ErrorDetails: { Code: 'AccessDeniedException' },
  })
})

describe('in an organization', () => {
  const organize = async () => {
    const { Organization } = await organizations.send(new CreateOrganizationCommand({}))
    const { Roots } = await organizations.send(new ListRootsCommand({}))
    return { id: Organization?.Id ?? '', root: Roots?.[0]?.Id ?? '' }
  }

  test('centralized root access is the management account’s to enable, with trusted access', async () => {
    const { id } = await organize()
    await expect(enable()).rejects.toMatchObject({ name: 'ServiceAccessNotEnabledException' })
    await organizations.send(new EnableAWSServiceAccessCommand({ ServicePrincipal: 'iam.amazonaws.com' }))
    const member = await createAccount('dev')
    const inside = drydock.client(sdk.IAMClient, await enter(member))
    await expect(features(inside)).rejects.toMatchObject({
      name: 'AccountNotManagementOrDelegatedAdministratorException',
    })

    expect(await features()).toMatchObject({ OrganizationId: id, EnabledFeatures: [] })
    expect((await enable()).EnabledFeatures).toEqual(['RootSessions'])
    const both = await iam.send(new sdk.EnableOrganizationsRootCredentialsManagementCommand({}))
    expect(both).toMatchObject({ OrganizationId: id, EnabledFeatures: ['RootCredentialsManagement', 'RootSessions'] })

    await organizations.send(
      new RegisterDelegatedAdministratorCommand({ AccountId: member, ServicePrincipal: 'iam.amazonaws.com' }),
    )
    expect((await features(inside)).EnabledFeatures).toEqual(both.EnabledFeatures)
    await expect(enable(inside)).rejects.toMatchObject({ name: 'CallerIsNotManagementAccountException' })
    const one = await inside.send(new sdk.DisableOrganizationsRootSessionsCommand({}))
    expect(one.EnabledFeatures).toEqual(['RootCredentialsManagement'])
    const none = await iam.send(new sdk.DisableOrganizationsRootCredentialsManagementCommand({}))
    expect(none.EnabledFeatures).toEqual([])
  })

  test('a report tells which services control policies allow, and which account used them last', async () => {
    const { id, root } = await organize()
    await organizations.send(new EnablePolicyTypeCommand({ RootId: root, PolicyType: 'SERVICE_CONTROL_POLICY' }))
    const { OrganizationalUnit } = await organizations.send(
      new CreateOrganizationalUnitCommand({ ParentId: root, Name: 'dev' }),
    )
    const unit = OrganizationalUnit?.Id ?? ''
    const one = await createAccount('one')
    const two = await createAccount('two')
    await organizations.send(
      new MoveAccountCommand({ AccountId: one, SourceParentId: root, DestinationParentId: unit }),
    )
    const { Policy } = await organizations.send(
      new CreatePolicyCommand({
        Type: 'SERVICE_CONTROL_POLICY',
        Name: 'few',
        Description: '',
        Content: JSON.stringify(allow(['sts:*', 'sqs:*', 'iam:*'])),
      }),
    )
    const PolicyId = Policy?.PolicySummary?.Id
    await organizations.send(new AttachPolicyCommand({ PolicyId, TargetId: unit }))
    await organizations.send(new DetachPolicyCommand({ PolicyId: 'p-FullAWSAccess', TargetId: unit }))

    const identify = async (account: string) => {
      const keys = await enter(account)
      await drydock.advance({ minutes: 1 })
      await drydock.client(STSClient, keys, 'eu-west-1').send(new GetCallerIdentityCommand({}))
      return drydock.clock.now()
    }
    const first = await identify(one)
    const last = await identify(two)

    const report = async (
      EntityPath: string,
      more: { OrganizationsPolicyId?: string; SortKey?: sdk.SortKeyType } = {},
    ) => {
      const { OrganizationsPolicyId, SortKey } = more
      const { JobId } = await iam.send(
        new sdk.GenerateOrganizationsAccessReportCommand({ EntityPath, OrganizationsPolicyId }),
      )
      return iam.send(new sdk.GetOrganizationsAccessReportCommand({ JobId, SortKey, MaxItems: 1000 }))
    }
    const sts = ({ AccessDetails }: sdk.GetOrganizationsAccessReportResponse) =>
      AccessDetails?.find(({ ServiceNamespace }) => ServiceNamespace === 'sts')

    const ofUnit = await report(`${id}/${root}/${unit}`)
    expect(ofUnit).toMatchObject({ JobStatus: 'COMPLETED', NumberOfServicesAccessible: 3 })
    expect(ofUnit.AccessDetails?.map(({ ServiceNamespace }) => ServiceNamespace)).toEqual(['iam', 'sqs', 'sts'])
    expect(sts(ofUnit)).toEqual({
      ServiceName: expect.any(String),
      ServiceNamespace: 'sts',
      Region: 'eu-west-1',
      EntityPath: `${id}/${root}/${unit}/${one}`,
      LastAuthenticatedTime: first,
      TotalAuthenticatedEntities: 1,
    })

    const ofRoot = await report(`${id}/${root}`, { SortKey: 'LAST_AUTHENTICATED_TIME_DESCENDING' })
    expect(ofRoot.NumberOfServicesAccessible).toBeGreaterThan(400)
    expect(ofRoot.AccessDetails?.[0]).toMatchObject({
      ServiceNamespace: 'sts',
      EntityPath: `${id}/${root}/${two}`,
      LastAuthenticatedTime: last,
      TotalAuthenticatedEntities: 2,
    })

    const ofPolicy = await report(`${id}/${root}`, { OrganizationsPolicyId: PolicyId ?? '' })
    expect(ofPolicy.NumberOfServicesAccessible).toBe(3)
    expect(sts(ofPolicy)?.TotalAuthenticatedEntities).toBe(1)
    const ofManagement = await report(`${id}/${root}/${management}`)
    expect(sts(ofManagement)?.EntityPath).toBe(`${id}/${root}/${management}`)
    expect(await report(`${id}/${root}/ou-none-12345678`)).toMatchObject({
      JobStatus: 'FAILED',
      ErrorDetails: { Code: 'InvalidInput' },
    })

    // The simulator asks the same control policies.
    const inside = drydock.client(sdk.IAMClient, await enter(one))
    const { EvaluationResults } = await inside.send(
      new sdk.SimulatePrincipalPolicyCommand({
        PolicySourceArn: `arn:aws:iam::${one}:role/OrganizationAccountAccessRole`,
        ActionNames: ['sqs:ListQueues', 's3:ListAllMyBuckets'],
      }),
    )
    expect(
      EvaluationResults?.map(({ EvalDecision, OrganizationsDecisionDetail }) => [
        EvalDecision,
        OrganizationsDecisionDetail?.AllowedByOrganizations,
      ]),
    ).toEqual([
      ['allowed', true],
      ['implicitDeny', false],
    ])
  })

  test('Organizations keeps its role while the account is a member', async () => {
    await organize()
    const RoleName = 'AWSServiceRoleForOrganizations'
    const AWSServiceName = 'organizations.amazonaws.com'
    await iam.send(new sdk.CreateServiceLinkedRoleCommand({ AWSServiceName })).catch(() => undefined)
    const { DeletionTaskId } = await iam.send(new sdk.DeleteServiceLinkedRoleCommand({ RoleName }))
    expect(await iam.send(new sdk.GetServiceLinkedRoleDeletionStatusCommand({ DeletionTaskId }))).toMatchObject({
      Status: 'FAILED',
    })
    await iam.send(new sdk.GetRoleCommand({ RoleName }))
  })
})
