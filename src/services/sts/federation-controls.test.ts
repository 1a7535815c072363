import { CreateOpenIDConnectProviderCommand, CreateRoleCommand, IAMClient } from '@aws-sdk/client-iam'
import {
  AttachPolicyCommand,
  CreateOrganizationCommand,
  CreatePolicyCommand,
  EnablePolicyTypeCommand,
  ListRootsCommand,
  OrganizationsClient,
  type PolicyType,
} from '@aws-sdk/client-organizations'
import { AssumeRoleWithWebIdentityCommand, STSClient } from '@aws-sdk/client-sts'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createAccount, enter } from '../../../test/member-accounts.ts'
import { type OidcIssuer, oidcIssuer } from '../../../test/oidc-issuer.ts'
import { allow, type Story, story } from '../../../test/story.ts'

let drydock: Story
let issuer: OidcIssuer
let organizations: OrganizationsClient
let member: string
let role: string

beforeAll(async () => {
  drydock = await story()
  issuer = await oidcIssuer(() => drydock.clock.now())
  organizations = drydock.client(OrganizationsClient)
  await organizations.send(new CreateOrganizationCommand({ FeatureSet: 'ALL' }))
  const { Roots } = await organizations.send(new ListRootsCommand({}))
  // Service control policies come with an organization of all features.
  for (const PolicyType of ['RESOURCE_CONTROL_POLICY', 'SERVICE_CONTROL_POLICY'] as const)
    await organizations.send(new EnablePolicyTypeCommand({ RootId: Roots?.[0]?.Id, PolicyType }))
  member = await createAccount(drydock, 'member')
  const admin = await drydock.user('admin', [allow('sts:AssumeRole')])
  const iam = drydock.client(IAMClient, await enter(drydock, admin, member))
  const { OpenIDConnectProviderArn } = await iam.send(
    new CreateOpenIDConnectProviderCommand({ Url: issuer.url, ClientIDList: ['sts.amazonaws.com'] }),
  )
  // A trust policy as it should not be: whoever the issuer knows may come.
  const Statement = [
    { Effect: 'Allow', Principal: { Federated: OpenIDConnectProviderArn }, Action: 'sts:AssumeRoleWithWebIdentity' },
  ]
  const document = JSON.stringify({ Version: '2012-10-17', Statement })
  const { Role } = await iam.send(new CreateRoleCommand({ RoleName: 'deploy', AssumeRolePolicyDocument: document }))
  role = Role?.Arn ?? ''
})
afterAll(async () => {
  await issuer.close()
  await drydock.close()
})

const control = async (Type: PolicyType, statement: object) => {
  const Content = JSON.stringify({
    Version: '2012-10-17',
    Statement: [{ Effect: 'Deny', Resource: '*', ...statement }],
  })
  const { Policy } = await organizations.send(new CreatePolicyCommand({ Name: Type, Description: Type, Type, Content }))
  await organizations.send(new AttachPolicyCommand({ PolicyId: Policy?.PolicySummary?.Id, TargetId: member }))
}

const assume = async (sub: string) =>
  drydock.client(STSClient).send(
    new AssumeRoleWithWebIdentityCommand({
      RoleArn: role,
      RoleSessionName: 'run',
      WebIdentityToken: await issuer.token({ sub }),
    }),
  )

test('resource control policies of the role’s account decide about strangers, service control policies do not', async () => {
  await expect(assume('repo:evil-org/shop:ref:refs/heads/main')).resolves.toBeDefined()
  await control('SERVICE_CONTROL_POLICY', { Action: 'sts:AssumeRoleWithWebIdentity' })
  await expect(assume('repo:evil-org/shop:ref:refs/heads/main')).resolves.toBeDefined()
  await control('RESOURCE_CONTROL_POLICY', {
    Principal: '*',
    Action: 'sts:AssumeRoleWithWebIdentity',
    Condition: { StringNotLikeIfExists: { [`${issuer.name}:sub`]: 'repo:octo-org/*' } },
  })
  await expect(assume('repo:evil-org/shop:ref:refs/heads/main')).rejects.toMatchObject({
    name: 'AccessDenied',
    message: 'Not authorized to perform sts:AssumeRoleWithWebIdentity',
  })
  await expect(assume('repo:octo-org/shop:ref:refs/heads/main')).resolves.toBeDefined()
})
