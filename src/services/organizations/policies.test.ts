import {
  AttachPolicyCommand,
  CreateOrganizationalUnitCommand,
  CreateOrganizationCommand,
  CreatePolicyCommand,
  DeletePolicyCommand,
  DescribeEffectivePolicyCommand,
  DescribePolicyCommand,
  DetachPolicyCommand,
  DisablePolicyTypeCommand,
  EnableAWSServiceAccessCommand,
  EnablePolicyTypeCommand,
  ListAccountsWithInvalidEffectivePolicyCommand,
  ListEffectivePolicyValidationErrorsCommand,
  ListPoliciesCommand,
  ListPoliciesForTargetCommand,
  ListRootsCommand,
  ListTargetsForPolicyCommand,
  MoveAccountCommand,
  OrganizationsClient,
  type PolicyType,
  TagResourceCommand,
  UpdatePolicyCommand,
} from '@aws-sdk/client-organizations'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { createAccount, enter } from '../../../test/member-accounts.ts'
import { allow, type Story, story } from '../../../test/story.ts'

// Policies: made, attached, and for management policies what they come to.

let drydock: Story
let organizations: OrganizationsClient
let id: string
let root: string
beforeEach(async () => {
  drydock = await story()
  organizations = drydock.client(OrganizationsClient)
  const { Organization } = await organizations.send(new CreateOrganizationCommand({}))
  id = Organization?.Id ?? ''
  root = (await organizations.send(new ListRootsCommand({}))).Roots?.[0]?.Id ?? ''
  await enable('SERVICE_CONTROL_POLICY')
})
afterEach(() => drydock.close())

const denyAll = { Version: '2012-10-17', Statement: [{ Effect: 'Deny', Action: 's3:*', Resource: '*' }] }
const create = async (Name: string, Type: PolicyType = 'SERVICE_CONTROL_POLICY', content: object = denyAll) => {
  const Content = JSON.stringify(content)
  const made = await organizations.send(new CreatePolicyCommand({ Name, Description: 'd', Type, Content }))
  return made.Policy?.PolicySummary?.Id ?? ''
}
const attach = (PolicyId: string, TargetId: string) =>
  organizations.send(new AttachPolicyCommand({ PolicyId, TargetId }))
const detach = (PolicyId: string, TargetId: string) =>
  organizations.send(new DetachPolicyCommand({ PolicyId, TargetId }))
const enable = (type: PolicyType) => organizations.send(new EnablePolicyTypeCommand({ RootId: root, PolicyType: type }))
const disable = (type: PolicyType) =>
  organizations.send(new DisablePolicyTypeCommand({ RootId: root, PolicyType: type }))
const attachedTo = async (TargetId: string, Filter: PolicyType = 'SERVICE_CONTROL_POLICY') =>
  (await organizations.send(new ListPoliciesForTargetCommand({ TargetId, Filter }))).Policies?.map(({ Id }) => Id)
const unit = async (Name: string) =>
  (await organizations.send(new CreateOrganizationalUnitCommand({ ParentId: root, Name }))).OrganizationalUnit?.Id ?? ''

test('a policy is made, read, changed, listed and deleted', async () => {
  const policy = await create('one')
  const { Policy } = await organizations.send(new DescribePolicyCommand({ PolicyId: policy }))
  expect(Policy).toEqual({
    PolicySummary: {
      Id: expect.stringMatching(/^p-[a-z0-9]{10}$/),
      Arn: `arn:aws:organizations::${drydock.account}:policy/${id}/service_control_policy/${policy}`,
      Name: 'one',
      Description: 'd',
      Type: 'SERVICE_CONTROL_POLICY',
      AwsManaged: false,
    },
    Content: JSON.stringify(denyAll),
  })
  await expect(create('one')).rejects.toMatchObject({ name: 'DuplicatePolicyException' })
  await create('two')
  const update = (change: object) => organizations.send(new UpdatePolicyCommand({ PolicyId: policy, ...change }))
  await expect(update({ Name: 'two' })).rejects.toMatchObject({ name: 'DuplicatePolicyException' })
  await expect(update({ Content: '{}' })).rejects.toMatchObject({ name: 'MalformedPolicyDocumentException' })
  expect((await update({ Name: 'uno', Description: '' })).Policy?.PolicySummary).toMatchObject({
    Name: 'uno',
    Description: '',
  })
  const { Policies } = await organizations.send(new ListPoliciesCommand({ Filter: 'SERVICE_CONTROL_POLICY' }))
  expect(Policies?.map(({ Name }) => Name).toSorted()).toEqual(['FullAWSAccess', 'two', 'uno'])
  await organizations.send(new DeletePolicyCommand({ PolicyId: policy }))
  await expect(organizations.send(new DescribePolicyCommand({ PolicyId: policy }))).rejects.toMatchObject({
    name: 'PolicyNotFoundException',
    message: "You specified a policy that doesn't exist.",
  })
})

test('AWS’s own policies cannot be changed, deleted or tagged', async () => {
  const PolicyId = 'p-FullAWSAccess'
  const { Policy } = await organizations.send(new DescribePolicyCommand({ PolicyId }))
  expect(Policy?.PolicySummary).toMatchObject({
    Arn: 'arn:aws:organizations::aws:policy/service_control_policy/p-FullAWSAccess',
    AwsManaged: true,
  })
  await Promise.all(
    [
      organizations.send(new UpdatePolicyCommand({ PolicyId, Name: 'Mine' })),
      organizations.send(new DeletePolicyCommand({ PolicyId })),
      organizations.send(new TagResourceCommand({ ResourceId: PolicyId, Tags: [{ Key: 'a', Value: 'b' }] })),
    ].map((attempt) =>
      expect(attempt).rejects.toMatchObject({ name: 'InvalidInputException', Reason: 'IMMUTABLE_POLICY' }),
    ),
  )
})

test('a target has one to five service control policies; what is attached cannot be deleted', async () => {
  const target = await unit('Full')
  expect(await attachedTo(target)).toEqual(['p-FullAWSAccess'])
  await expect(detach('p-FullAWSAccess', target)).rejects.toMatchObject({
    name: 'ConstraintViolationException',
    Reason: 'MIN_POLICY_TYPE_ATTACHMENT_LIMIT_EXCEEDED',
  })
  const policies = await Promise.all(['a', 'b', 'c', 'd', 'e'].map((name) => create(name)))
  for (const policy of policies.slice(0, 4)) await attach(policy, target)
  await expect(attach(policies[4] ?? '', target)).rejects.toMatchObject({
    name: 'ConstraintViolationException',
    Reason: 'MAX_POLICY_TYPE_ATTACHMENT_LIMIT_EXCEEDED',
  })
  const [first = ''] = policies
  await expect(attach(first, target)).rejects.toMatchObject({ name: 'DuplicatePolicyAttachmentException' })
  await expect(organizations.send(new DeletePolicyCommand({ PolicyId: first }))).rejects.toMatchObject({
    name: 'PolicyInUseException',
  })
  const { Targets } = await organizations.send(new ListTargetsForPolicyCommand({ PolicyId: first }))
  expect(Targets).toEqual([
    {
      TargetId: target,
      Arn: `arn:aws:organizations::${drydock.account}:ou/${id}/${target}`,
      Name: 'Full',
      Type: 'ORGANIZATIONAL_UNIT',
    },
  ])
  await detach(first, target)
  await expect(detach(first, target)).rejects.toMatchObject({ name: 'PolicyNotAttachedException' })
  await expect(attach(first, 'ou-aaaa-bbbbbbbb')).rejects.toMatchObject({ name: 'TargetNotFoundException' })
  await expect(attach('p-aaaaaaaa', target)).rejects.toMatchObject({ name: 'PolicyNotFoundException' })
})

test('a type that is disabled loses its attachments; enabled again, everything has AWS’s own', async () => {
  const target = await unit('Unit')
  const policy = await create('one')
  await attach(policy, target)
  await disable('SERVICE_CONTROL_POLICY')
  await expect(disable('SERVICE_CONTROL_POLICY')).rejects.toMatchObject({ name: 'PolicyTypeNotEnabledException' })
  expect(await attachedTo(target)).toEqual([])
  await expect(attach(policy, target)).rejects.toMatchObject({
    name: 'PolicyTypeNotEnabledException',
    message: 'This operation can be performed only for enabled policy types.',
  })
  const { Root } = await enable('SERVICE_CONTROL_POLICY')
  expect(Root?.PolicyTypes).toEqual([{ Type: 'SERVICE_CONTROL_POLICY', Status: 'ENABLED' }])
  await expect(enable('SERVICE_CONTROL_POLICY')).rejects.toMatchObject({ name: 'PolicyTypeAlreadyEnabledException' })
  for (const at of [root, target, drydock.account]) expect(await attachedTo(at)).toEqual(['p-FullAWSAccess'])
  await expect(
    organizations.send(new EnablePolicyTypeCommand({ RootId: 'r-zzzz', PolicyType: 'TAG_POLICY' })),
  ).rejects.toMatchObject({ name: 'RootNotFoundException' })
})

test('RCPFullAWSAccess is on everything and stays there', async () => {
  await enable('RESOURCE_CONTROL_POLICY')
  const target = await unit('Later')
  for (const at of [root, target, drydock.account])
    expect(await attachedTo(at, 'RESOURCE_CONTROL_POLICY')).toEqual(['p-RCPFullAWSAccess'])
  await expect(detach('p-RCPFullAWSAccess', target)).rejects.toMatchObject({
    name: 'InvalidInputException',
    Reason: 'NON_DETACHABLE_POLICY',
  })
})

test('a type of a service needs its trusted access first', async () => {
  await expect(enable('SECURITYHUB_POLICY')).rejects.toMatchObject({
    name: 'ConstraintViolationException',
    Reason: 'SERVICE_ACCESS_NOT_ENABLED',
  })
  await organizations.send(new EnableAWSServiceAccessCommand({ ServicePrincipal: 'securityhub.amazonaws.com' }))
  expect((await enable('SECURITYHUB_POLICY')).Root?.PolicyTypes?.map(({ Type }) => Type)).toContain(
    'SECURITYHUB_POLICY',
  )
})

test('management policies come down the tree and merge', async () => {
  const target = await unit('Web')
  const account = await createAccount(drydock, 'web')
  await organizations.send(
    new MoveAccountCommand({ AccountId: account, SourceParentId: root, DestinationParentId: target }),
  )
  const describe = (TargetId?: string) =>
    organizations.send(new DescribeEffectivePolicyCommand({ PolicyType: 'TAG_POLICY', TargetId }))
  await expect(describe(account)).rejects.toMatchObject({ name: 'EffectivePolicyNotFoundException' })
  await enable('TAG_POLICY')
  const team = (settings: object) => ({ tags: { team: settings } })
  await attach(
    await create('root', 'TAG_POLICY', team({ tag_key: { '@@assign': 'Team' }, tag_value: { '@@assign': ['web'] } })),
    root,
  )
  await attach(await create('unit', 'TAG_POLICY', team({ tag_value: { '@@append': ['api'] } })), target)
  await attach(await create('account', 'TAG_POLICY', team({ tag_value: { '@@remove': ['web'] } })), account)
  const { EffectivePolicy } = await describe(account)
  expect(EffectivePolicy).toMatchObject({ TargetId: account, PolicyType: 'TAG_POLICY' })
  expect(JSON.parse(EffectivePolicy?.PolicyContent ?? '')).toEqual({
    tags: { team: { tag_key: 'Team', tag_value: ['api'] } },
  })
  expect(JSON.parse((await describe()).EffectivePolicy?.PolicyContent ?? '')).toEqual({
    tags: { team: { tag_key: 'Team', tag_value: ['web'] } },
  })
  await expect(describe(target)).rejects.toMatchObject({ Reason: 'TARGET_NOT_SUPPORTED' })
  await expect(describe('999999999999')).rejects.toMatchObject({ name: 'TargetNotFoundException' })

  // A member sees its own, and no other's.
  const visitor = await drydock.user('visitor', [allow('sts:AssumeRole')])
  const member = drydock.client(OrganizationsClient, await enter(drydock, visitor, account))
  const own = await member.send(new DescribeEffectivePolicyCommand({ PolicyType: 'TAG_POLICY' }))
  expect(own.EffectivePolicy?.TargetId).toBe(account)
  await expect(
    member.send(new DescribeEffectivePolicyCommand({ PolicyType: 'TAG_POLICY', TargetId: drydock.account })),
  ).rejects.toMatchObject({ name: 'AccessDeniedException' })
})

test('an effective policy that became invalid is found, with the policies that made it so', async () => {
  const account = await createAccount(drydock, 'web')
  await enable('BACKUP_POLICY')
  const rules = (prefix: string) => ({
    plans: {
      Daily: {
        rules: Object.fromEntries(
          Array.from({ length: 6 }, (_, i) => [`${prefix}${i}`, { target_backup_vault_name: { '@@assign': 'Vault' } }]),
        ),
      },
    },
  })
  const one = await create('one', 'BACKUP_POLICY', rules('a'))
  const two = await create('two', 'BACKUP_POLICY', rules('b'))
  await attach(one, root)
  const list = () =>
    organizations.send(new ListAccountsWithInvalidEffectivePolicyCommand({ PolicyType: 'BACKUP_POLICY' }))
  expect((await list()).Accounts).toEqual([])
  await attach(two, account)
  expect((await list()).Accounts?.map(({ Id }) => Id)).toEqual([account])
  const found = await organizations.send(
    new ListEffectivePolicyValidationErrorsCommand({ PolicyType: 'BACKUP_POLICY', AccountId: account }),
  )
  expect(found).toMatchObject({ AccountId: account, Path: `${id}/${root}/${account}/` })
  expect(found.EffectivePolicyValidationErrors).toMatchObject([
    { ErrorCode: 'ELEMENTS_TOO_MANY', ContributingPolicies: [one, two].toSorted() },
  ])
})
